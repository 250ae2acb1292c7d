// SPDX-License-Identifier: BSD-3-Clause
/* What control messages say of datagrams, received and sent, and when they arrived. Times are told by where they lie between two others. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PKTINFO6_OLD 2
#define HOPLIMIT6_OLD 8
static const int STAMPS[] = { 29, 35, 63, 64 };
static const unsigned long STAMP_REQUESTS[] = { 0x8906, 0x8907, 0x80108906, 0x80108907 };

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}
static const char *result(int r)
{
	return r < 0 ? strerrorname_np(errno) : "ok";
}
static void nap(void)
{
	struct timespec t = { 0, 20000000 };
	nanosleep(&t, NULL);
}
/* A time as one of the four layouts has it, ns. */
static int64_t stamp(int kind, const void *p)
{
	const int32_t *w = p;
	int64_t part = kind & 2 ? w[2] : w[1];
	return w[0] * 1000000000LL + (kind & 1 ? part : part * 1000);
}
static int kind_of(int type)
{
	for (int i = 0; i < 4; i++)
		if (STAMPS[i] == type)
			return i;
	return -1;
}
static const char *between(int64_t from, int64_t t, int64_t to)
{
	return t < from - 1000 ? "before" : t > to ? "after" : "between";
}

/* Receives one datagram with `room` bytes of control data, and tells of it. Sent between the two times. */
static void receive(int fd, int room, int64_t from, int64_t to)
{
	char data[64];
	union { struct cmsghdr h; char b[256]; } control;
	struct iovec io = { data, sizeof data };
	struct msghdr m = { NULL, 0, &io, 1, &control, room, 0 };
	int n = recvmsg(fd, &m, MSG_DONTWAIT);
	printf("  received %d, flags %x, control %d\n", n, n < 0 ? 0 : m.msg_flags, n < 0 ? 0 : (int)m.msg_controllen);
	if (n < 0)
		return;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		const unsigned char *d = CMSG_DATA(h);
		int len = h->cmsg_len - sizeof *h;
		printf("    level %d type %d length %d:", h->cmsg_level, h->cmsg_type, len);
		int kind = h->cmsg_level == SOL_SOCKET ? kind_of(h->cmsg_type) : -1;
		if (kind >= 0)
			printf(" %s", len < (kind & 2 ? 16 : 8) ? "cut" : between(from, stamp(kind, d), to));
		else
			for (int i = 0; i < len; i++)
				printf(" %02x", d[i]);
		printf("\n");
	}
}

static struct sockaddr_storage name;
static socklen_t name_len;
/* A datagram socket at an address, whose name is in `name` afterwards. */
static int bound(const char *host)
{
	int six = strchr(host, ':') != NULL;
	int fd = socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
	memset(&name, 0, sizeof name);
	name.ss_family = six ? AF_INET6 : AF_INET;
	inet_pton(name.ss_family, host, six ? (void *)&((struct sockaddr_in6 *)&name)->sin6_addr : (void *)&((struct sockaddr_in *)&name)->sin_addr);
	name_len = six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	if (bind(fd, (void *)&name, name_len) < 0)
		perror("bind");
	getsockname(fd, (void *)&name, &name_len);
	return fd;
}
static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof value);
}

static const struct { int level, option; } ASKED[] = {
	{ 0, 8 }, { 0, 12 }, { 0, 13 }, { 41, 49 }, { 41, 51 }, { 41, 66 }, { 41, PKTINFO6_OLD }, { 41, HOPLIMIT6_OLD }, { 1, 29 }, { 1, 35 }, { 1, 63 }, { 1, 64 },
};
#define ASKS (int)(sizeof ASKED / sizeof ASKED[0])

static void fields(const char *at, const char *to)
{
	int four = !strchr(to, ':');
	for (int i = 0; i <= ASKS; i++) {
		int fd = bound(at);
		if (i < ASKS && ASKED[i].level == 41 && name.ss_family == AF_INET)
			goto next;
		for (int j = 0; j < ASKS; j++)
			if ((i == j || i == ASKS) && !(ASKED[j].level == 41 && name.ss_family == AF_INET) && set(fd, ASKED[j].level, ASKED[j].option, 1) < 0)
				printf("  option %d: %s\n", ASKED[j].option, result(-1));
		nap(); /* Linux begins to take times a moment after it is asked. */
		struct sockaddr_storage there = name;
		socklen_t len = name_len;
		int port = ((struct sockaddr_in *)&name)->sin_port;
		int out = bound(four ? "127.0.0.1" : "::1");
		there.ss_family = four ? AF_INET : AF_INET6;
		len = four ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
		inet_pton(there.ss_family, to, four ? (void *)&((struct sockaddr_in *)&there)->sin_addr : (void *)&((struct sockaddr_in6 *)&there)->sin6_addr);
		((struct sockaddr_in *)&there)->sin_port = port;
		printf("%s, sent to %s, asked for %d %d\n", at, to, i < ASKS ? ASKED[i].level : -1, i < ASKS ? ASKED[i].option : -1);
		for (int room = 256; room >= 0; room = room == 256 ? 20 : room == 20 ? 8 : room == 8 ? 0 : -1) {
			int64_t before = now();
			sendto(out, "abc", 3, 0, (void *)&there, len);
			int64_t after = now();
			nap();
			receive(fd, room, before, after);
		}
		close(out);
	next:
		close(fd);
	}
}

static void sending(void)
{
	static const struct { int level, type, len, word[5]; } M[] = {
		{ 0, 8, 12, { 0, 0x0100007f, 0 } }, { 0, 8, 12, { 1, 0, 0 } }, { 0, 8, 12, { 99, 0, 0 } }, { 0, 8, 12, { 0, 0x01020304, 0 } },
		{ 0, 8, 12, { 1, 0x0200007f, 0 } }, { 0, 8, 8, { 0 } }, { 0, 8, 16, { 0 } }, { 0, 2, 4, { 7 } }, { 0, 2, 4, { 0 } }, { 0, 2, 4, { 256 } },
		{ 0, 2, 1, { 7 } }, { 0, 1, 4, { 16 } }, { 0, 1, 1, { 16 } }, { 0, 1, 4, { 300 } }, { 0, 99, 4, { 1 } }, { 1, 99, 4, { 1 } }, { 6, 1, 4, { 1 } },
		{ 41, 52, 4, { 3 } }, { 41, 8, 4, { 3 } }, { 41, 52, 4, { 256 } }, { 41, 67, 4, { 5 } }, { 41, 50, 20, { 0, 0, 0, 0x01000000, 1 } },
		{ 41, 50, 20, { 0, 0, 0, 0x01000000, 99 } }, { 41, 50, 20, { 0, 0, 0, 0x02000000, 0 } }, { 41, 50, 16, { 0 } }, { 41, 2, 20, { 0 } },
	};
	for (int six = 0; six < 2; six++) {
		int fd = bound(six ? "::1" : "127.0.0.1");
		struct sockaddr_storage there = name;
		socklen_t there_len = name_len;
		for (int j = 0; j < 6; j++)
			if (ASKED[j].level == (six ? 41 : 0))
				set(fd, ASKED[j].level, ASKED[j].option, 1);
		int out = bound(six ? "::" : "0.0.0.0");
		for (unsigned i = 0; i < sizeof M / sizeof M[0]; i++) {
			union { struct cmsghdr h; char b[64]; } c;
			memset(&c, 0, sizeof c);
			c.h.cmsg_len = sizeof c.h + M[i].len;
			c.h.cmsg_level = M[i].level;
			c.h.cmsg_type = M[i].type;
			memcpy(CMSG_DATA(&c.h), M[i].word, M[i].len);
			/* To an IPv6 address, a message about IPv4 means nothing. */
			if (six && M[i].level == 0)
				continue;
			struct iovec io = { "abc", 3 };
			struct msghdr m = { &there, there_len, &io, 1, &c, (sizeof c.h + M[i].len + 3) & ~3, 0 };
			int r = sendmsg(out, &m, 0);
			printf("IPv%d, level %d type %d length %d {%x, %x}: %s\n", six ? 6 : 4, M[i].level, M[i].type, M[i].len, M[i].word[0], M[i].word[1], result(r));
			if (r < 0)
				continue;
			struct sockaddr_storage from;
			socklen_t len = sizeof from;
			char data[8];
			recvfrom(fd, data, 8, MSG_PEEK, (void *)&from, &len);
			char text[64];
			printf("  from %s\n", inet_ntop(from.ss_family, six ? (void *)&((struct sockaddr_in6 *)&from)->sin6_addr : (void *)&((struct sockaddr_in *)&from)->sin_addr, text, sizeof text));
			receive(fd, 256, 0, 0);
		}
		close(out);
		close(fd);
	}
}

static void options(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	for (int i = 0; i < 4; i++)
		for (int value = 1; value >= 0; value--) {
			printf("option %d = %d: %s;", STAMPS[i], value, result(set(fd, SOL_SOCKET, STAMPS[i], value)));
			for (int j = 0; j < 4; j++) {
				int v = -1;
				socklen_t len = sizeof v;
				getsockopt(fd, SOL_SOCKET, STAMPS[j], &v, &len);
				printf(" %d", v);
			}
			printf("\n");
		}
	close(fd);
}

static void last(int fd, int64_t from, int64_t to)
{
	for (int i = 0; i < 4; i++) {
		int32_t w[4] = { 0 };
		int r = ioctl(fd, STAMP_REQUESTS[i], w);
		printf(" %s", r < 0 ? result(r) : between(from, stamp(i, w), to));
	}
	printf("\n");
	nap();
}
static void requests(void)
{
	for (int option = 0; option < 2; option++) {
		int fd = bound("127.0.0.1");
		printf("SIOCGSTAMP, SO_TIMESTAMP %d\n", option);
		if (option)
			set(fd, SOL_SOCKET, 29, 1);
		for (int i = 0; i < 3; i++) {
			if (i != 1 || option)
				last(fd, 0, 0);
			int64_t before = now();
			sendto(fd, "abc", 3, 0, (void *)&name, name_len);
			int64_t after = now();
			nap();
			receive(fd, 64, before, after);
			last(fd, before, after);
		}
		close(fd);
	}
	int pair[2], stream = socket(AF_INET, SOCK_STREAM, 0);
	printf("stream");
	last(stream, 0, 0);
	static const int TYPES[] = { SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM };
	for (int i = 0; i < 3; i++) {
		socketpair(AF_UNIX, TYPES[i], 0, pair);
		printf("local %d", TYPES[i]);
		last(pair[0], 0, 0);
		for (int j = 0; j < 4; j++) {
			int64_t before = now();
			write(pair[1], "abc", 3);
			int64_t after = now();
			/* Asked after it has come, and before the next. */
			if (j == 0)
				set(pair[0], SOL_SOCKET, STAMPS[0], 1);
			nap();
			receive(pair[0], 64, before, after);
			set(pair[0], SOL_SOCKET, STAMPS[j], 1);
			set(pair[0], SOL_SOCKET, SO_PASSCRED, j == 2);
			if (j == 2)
				set(pair[0], SOL_SOCKET, SO_PASSCRED, 0);
		}
		close(pair[0]);
		close(pair[1]);
	}
}

int main(void)
{
	fields("0.0.0.0", "127.0.0.1");
	fields("127.0.0.3", "127.0.0.3");
	fields("::", "127.0.0.2");
	fields("::", "::1");
	sending();
	options();
	requests();
	return 0;
}
