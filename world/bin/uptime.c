/* SPDX-License-Identifier: BSD-3-Clause */
/* uptime */
#include <err.h>
#include <stdio.h>
#include <sys/sysctl.h>
#include <sys/time.h>
#include <time.h>

int main(void)
{
	struct { unsigned avg[3]; long scale; } load;
	struct timeval boot;
	size_t size = sizeof(boot);
	time_t now = time(NULL), up;
	char text[32];

	if (sysctlbyname("kern.boottime", &boot, &size, NULL, 0) == -1)
		err(1, "kern.boottime");
	strftime(text, sizeof(text), "%l:%M%p", localtime(&now));
	printf("%s  up", text);
	up = now - boot.tv_sec;
	if (up >= 86400)
		printf(" %d day%s,", (int)(up / 86400), up >= 172800 ? "s" : "");
	if (up >= 3600)
		printf(" %d:%02d", (int)(up / 3600 % 24), (int)(up / 60 % 60));
	else if (up >= 60)
		printf(" %d min%s", (int)(up / 60), up >= 120 ? "s" : "");
	else
		printf(" %d sec%s", (int)up, up != 1 ? "s" : "");
	size = sizeof(load);
	if (sysctlbyname("vm.loadavg", &load, &size, NULL, 0) == 0)
		printf(", load averages: %.2f, %.2f, %.2f", (double)load.avg[0] / (double)load.scale,
		    (double)load.avg[1] / (double)load.scale, (double)load.avg[2] / (double)load.scale);
	putchar('\n');
	return 0;
}
