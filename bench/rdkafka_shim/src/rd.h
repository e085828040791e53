// What librdkafka's rdkafka_performance.c takes from headers that Debian does not ship: written from its uses of them.
// C.
#pragma once
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define RD_MIN(a, b) ((a) < (b) ? (a) : (b))
#define RD_MAX(a, b) ((a) > (b) ? (a) : (b))
#define RD_UNUSED __attribute__((unused))
#define RD_INLINE inline
#define rd_snprintf snprintf

typedef int64_t rd_ts_t;  // microseconds

static RD_INLINE RD_UNUSED rd_ts_t rd_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (rd_ts_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
