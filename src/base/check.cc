#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace keelson {

void check_failed(const char* expression, const char* file, int line, const char* why) {
  std::fprintf(stderr, "keelson: defect: %s:%d: check '%s' failed: %s\n", file, line, expression, why);
  std::abort();
}

}  // namespace keelson
