/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calendar time. The zone comes from TZ in the fixed-offset form "NAME[+-]hh[:mm]" (west positive, as POSIX
 * has it); without TZ it is UTC. Daylight-saving rules are not read.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY 86400

static const char days[7][10] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" };
static const char months[12][10] = { "January", "February", "March", "April", "May", "June", "July", "August",
	"September", "October", "November", "December" };
static const short before[13] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365 };

static int leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static long days_before(int year)
{
	int y = year - 1;

	return y * 365L + y / 4 - y / 100 + y / 400 - 719162; /* days to 1970-01-01 from year 1 */
}

/* Seconds east of Greenwich, and the zone's name. */
static long zone(const char **name)
{
	static char text[8];
	const char *tz = getenv("TZ"), *p = tz;
	long offset = 0;
	int sign;

	*name = "UTC";
	if (tz == NULL || !isalpha((unsigned char)*tz))
		return 0;
	while (isalpha((unsigned char)*p))
		p++;
	snprintf(text, sizeof(text), "%.*s", (int)(p - tz), tz);
	*name = text;
	sign = *p == '-' ? 1 : -1;
	if (*p == '+' || *p == '-')
		p++;
	if (isdigit((unsigned char)*p)) {
		char *next;

		offset = strtol(p, &next, 10) * 3600;
		if (*next == ':')
			offset += strtol(next + 1, NULL, 10) * 60;
	}
	return sign * offset;
}

static struct tm *split(time_t t, long offset, const char *name, struct tm *tm)
{
	long long local = (long long)t + offset;
	long day = (long)(local / DAY), rest = (long)(local % DAY);
	int year;

	if (rest < 0) {
		rest += DAY;
		day--;
	}
	tm->tm_hour = (int)(rest / 3600);
	tm->tm_min = (int)(rest / 60 % 60);
	tm->tm_sec = (int)(rest % 60);
	tm->tm_wday = (int)((day + 4) % 7);
	if (tm->tm_wday < 0)
		tm->tm_wday += 7;
	for (year = 1970 + (int)(day / 365); days_before(year) > day; year--)
		;
	tm->tm_year = year - 1900;
	tm->tm_yday = (int)(day - days_before(year));
	for (tm->tm_mon = 11;; tm->tm_mon--) {
		int first = before[tm->tm_mon] + (tm->tm_mon >= 2 && leap(year));

		if (tm->tm_yday >= first) {
			tm->tm_mday = tm->tm_yday - first + 1;
			break;
		}
	}
	tm->tm_isdst = 0;
	tm->tm_gmtoff = offset;
	tm->tm_zone = name;
	return tm;
}

struct tm *gmtime_r(const time_t *restrict t, struct tm *restrict tm)
{
	return split(*t, 0, "UTC", tm);
}

struct tm *localtime_r(const time_t *restrict t, struct tm *restrict tm)
{
	const char *name;
	long offset = zone(&name);

	return split(*t, offset, name, tm);
}

struct tm *gmtime(const time_t *t)
{
	static struct tm tm;

	return gmtime_r(t, &tm);
}

struct tm *localtime(const time_t *t)
{
	static struct tm tm;

	return localtime_r(t, &tm);
}

time_t timegm(struct tm *tm)
{
	int year = tm->tm_year + 1900 + tm->tm_mon / 12, mon = tm->tm_mon % 12;
	long day;
	time_t t;

	if (mon < 0) {
		mon += 12;
		year--;
	}
	day = days_before(year) + before[mon] + (mon >= 2 && leap(year)) + tm->tm_mday - 1;
	t = (time_t)(day * DAY + tm->tm_hour * 3600L + tm->tm_min * 60L + tm->tm_sec);
	gmtime_r(&t, tm);
	return t;
}

time_t mktime(struct tm *tm)
{
	const char *name;
	long offset = zone(&name);
	time_t t = timegm(tm) - offset;

	localtime_r(&t, tm);
	return t;
}

/* ISO 8601 week number, and the year it belongs to. */
static int iso_week(const struct tm *tm, int *year)
{
	int wday = (tm->tm_wday + 6) % 7, week = (tm->tm_yday - wday + 10) / 7;

	*year = tm->tm_year + 1900;
	if (week < 1) {
		int last = leap(--*year) ? 366 : 365;

		week = (tm->tm_yday + last - wday + 10) / 7;
	} else if (week == 53) {
		int len = leap(*year) ? 366 : 365;

		if (tm->tm_yday - wday + 3 >= len) {
			week = 1;
			++*year;
		}
	}
	return week;
}

struct sink { char *p, *end; };

static void add(struct sink *s, const char *fmt, ...) __printflike(2, 3);
static void add(struct sink *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s->p, (size_t)(s->end - s->p), fmt, ap);
	va_end(ap);
	s->p = n < s->end - s->p ? s->p + n : s->end;
}

static void expand(struct sink *s, const char *fmt, const struct tm *tm)
{
	int year = tm->tm_year + 1900, hour12 = tm->tm_hour % 12 == 0 ? 12 : tm->tm_hour % 12, week;

	for (; *fmt != '\0' && s->p < s->end; fmt++) {
		if (*fmt != '%') {
			add(s, "%c", *fmt);
			continue;
		}
		switch (*++fmt) {
		case 'A': add(s, "%s", days[tm->tm_wday]); break;
		case 'a': add(s, "%.3s", days[tm->tm_wday]); break;
		case 'B': add(s, "%s", months[tm->tm_mon]); break;
		case 'b':
		case 'h': add(s, "%.3s", months[tm->tm_mon]); break;
		case 'C': add(s, "%02d", year / 100); break;
		case 'c': expand(s, "%a %b %e %H:%M:%S %Y", tm); break;
		case 'D': expand(s, "%m/%d/%y", tm); break;
		case 'd': add(s, "%02d", tm->tm_mday); break;
		case 'e': add(s, "%2d", tm->tm_mday); break;
		case 'F': expand(s, "%Y-%m-%d", tm); break;
		case 'G': iso_week(tm, &year); add(s, "%d", year); year = tm->tm_year + 1900; break;
		case 'H': add(s, "%02d", tm->tm_hour); break;
		case 'I': add(s, "%02d", hour12); break;
		case 'j': add(s, "%03d", tm->tm_yday + 1); break;
		case 'k': add(s, "%2d", tm->tm_hour); break;
		case 'l': add(s, "%2d", hour12); break;
		case 'M': add(s, "%02d", tm->tm_min); break;
		case 'm': add(s, "%02d", tm->tm_mon + 1); break;
		case 'n': add(s, "\n"); break;
		case 'p': add(s, "%s", tm->tm_hour < 12 ? "AM" : "PM"); break;
		case 'R': expand(s, "%H:%M", tm); break;
		case 'r': expand(s, "%I:%M:%S %p", tm); break;
		case 'S': add(s, "%02d", tm->tm_sec); break;
		case 's': {
			struct tm copy = *tm;

			add(s, "%d", (int)(timegm(&copy) - tm->tm_gmtoff));
			break;
		}
		case 'T':
		case 'X': expand(s, "%H:%M:%S", tm); break;
		case 't': add(s, "\t"); break;
		case 'U': add(s, "%02d", (tm->tm_yday + 7 - tm->tm_wday) / 7); break;
		case 'u': add(s, "%d", tm->tm_wday == 0 ? 7 : tm->tm_wday); break;
		case 'V': week = iso_week(tm, &year); add(s, "%02d", week); year = tm->tm_year + 1900; break;
		case 'v': expand(s, "%e-%b-%Y", tm); break;
		case 'W': add(s, "%02d", (tm->tm_yday + 7 - (tm->tm_wday + 6) % 7) / 7); break;
		case 'w': add(s, "%d", tm->tm_wday); break;
		case 'x': expand(s, "%m/%d/%y", tm); break;
		case 'Y': add(s, "%d", year); break;
		case 'y': add(s, "%02d", year % 100); break;
		case 'Z': add(s, "%s", tm->tm_zone != NULL ? tm->tm_zone : "UTC"); break;
		case 'z': {
			long m = tm->tm_gmtoff / 60;

			add(s, "%c%02ld%02ld", m < 0 ? '-' : '+', (m < 0 ? -m : m) / 60, (m < 0 ? -m : m) % 60);
			break;
		}
		case '%': add(s, "%%"); break;
		case '\0': add(s, "%%"); return;
		default: add(s, "%%%c", *fmt);
		}
	}
}

size_t strftime(char *restrict out, size_t size, const char *restrict fmt, const struct tm *restrict tm)
{
	struct sink s = { out, out + size };

	if (size == 0)
		return 0;
	*out = '\0';
	expand(&s, fmt, tm);
	return s.p < s.end ? (size_t)(s.p - out) : 0;
}

static int read_number(const char **s, int width, int *out)
{
	int n = 0, digits = 0;

	while (digits < width && isdigit((unsigned char)**s)) {
		n = n * 10 + *(*s)++ - '0';
		digits++;
	}
	*out = n;
	return digits > 0;
}

static int read_name(const char **s, const char table[][10], int n, int *out)
{
	int i;

	for (i = 0; i < n; i++) {
		size_t full = strlen(table[i]), len = strncasecmp(*s, table[i], full) == 0 ? full : 3;

		if (strncasecmp(*s, table[i], len) == 0) {
			*s += len;
			*out = i;
			return 1;
		}
	}
	return 0;
}

/* Conversions a b d e F H j M m n S s T t Y y z %. Returns the rest of `s`, or NULL. */
char *strptime(const char *s, const char *fmt, struct tm *tm)
{
	for (; *fmt != '\0'; fmt++) {
		int v, ok = 1;

		if (isspace((unsigned char)*fmt)) {
			while (isspace((unsigned char)*s))
				s++;
			continue;
		}
		if (*fmt != '%') {
			if (*s++ != *fmt)
				return NULL;
			continue;
		}
		switch (*++fmt) {
		case 'a':
		case 'A': ok = read_name(&s, days, 7, &tm->tm_wday); break;
		case 'b':
		case 'B':
		case 'h': ok = read_name(&s, months, 12, &tm->tm_mon); break;
		case 'e':
			while (*s == ' ')
				s++;
			/* FALLTHROUGH */
		case 'd': ok = read_number(&s, 2, &tm->tm_mday); break;
		case 'F': s = strptime(s, "%Y-%m-%d", tm); ok = s != NULL; break;
		case 'H': ok = read_number(&s, 2, &tm->tm_hour); break;
		case 'j': ok = read_number(&s, 3, &v); tm->tm_yday = v - 1; break;
		case 'M': ok = read_number(&s, 2, &tm->tm_min); break;
		case 'm': ok = read_number(&s, 2, &v); tm->tm_mon = v - 1; break;
		case 'S': ok = read_number(&s, 2, &tm->tm_sec); break;
		case 's': {
			char *end;
			time_t t = (time_t)strtol(s, &end, 10);

			ok = end != s;
			s = end;
			localtime_r(&t, tm);
			break;
		}
		case 'T': s = strptime(s, "%H:%M:%S", tm); ok = s != NULL; break;
		case 'Y': ok = read_number(&s, 4, &v); tm->tm_year = v - 1900; break;
		case 'y': ok = read_number(&s, 2, &v); tm->tm_year = v < 69 ? v + 100 : v; break;
		case 'n':
		case 't':
			while (isspace((unsigned char)*s))
				s++;
			break;
		case '%': ok = *s++ == '%'; break;
		default: return NULL;
		}
		if (!ok)
			return NULL;
	}
	return (char *)s;
}

char *asctime(const struct tm *tm)
{
	static char text[32];

	strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y\n", tm);
	return text;
}

char *ctime(const time_t *t)
{
	return asctime(localtime(t));
}
