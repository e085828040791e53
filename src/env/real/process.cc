#include "env/real/process.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>

#include "env/disk.h"

namespace keelson::env {

namespace {

uint64_t microseconds(const timeval& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000 + static_cast<uint64_t>(time.tv_usec);
}

uint64_t count_entries(const char* folder) {
  DIR* directory = opendir(folder);
  if (directory == nullptr) return 0;
  uint64_t count = 0;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(directory);
  return count;
}

// The limit of this process's control group, either version; the largest number if there is none.
uint64_t group_memory_limit() {
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream file(path);
    uint64_t limit = 0;
    if (file >> limit) return limit;
  }
  return std::numeric_limits<uint64_t>::max();
}

}  // namespace

ProcessStats process_stats() {
  ProcessStats stats;
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  std::ifstream memory("/proc/self/statm");
  uint64_t virtual_pages = 0;
  uint64_t resident_pages = 0;
  if (memory >> virtual_pages >> resident_pages) {
    stats.virtual_bytes = virtual_pages * page;
    stats.resident_bytes = resident_pages * page;
  }
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    stats.user_cpu_us = microseconds(usage.ru_utime);
    stats.system_cpu_us = microseconds(usage.ru_stime);
  }
  const uint64_t entries = count_entries("/proc/self/fd");
  stats.file_descriptors = entries > 0 ? entries - 1 : 0;  // less the one that counts
  stats.threads = count_entries("/proc/self/task");
  return stats;
}

uint64_t machine_memory_bytes() {
  struct sysinfo info{};
  if (sysinfo(&info) != 0) return 0;
  return std::min<uint64_t>(uint64_t{info.totalram} * info.mem_unit, group_memory_limit());
}

uint64_t process_id() { return static_cast<uint64_t>(getpid()); }

std::string operating_system() {
  utsname names{};
  if (uname(&names) != 0) return "unknown";
  return std::string(names.sysname) + " " + names.release + " " + names.machine;
}

Result<uint64_t> raise_file_limit(uint64_t wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return fail(DiskErrc::kInvalid, std::string("the limit on open files is unknown: ") + std::strerror(errno));
  }
  if (limit.rlim_cur >= wanted) return uint64_t{limit.rlim_cur};
  const rlim_t hard = limit.rlim_max;
  // First beyond the hard limit, which root may; then up to it.
  for (const rlim_t top : {static_cast<rlim_t>(wanted), std::min<rlim_t>(wanted, hard)}) {
    limit = {.rlim_cur = top, .rlim_max = std::max(hard, top)};
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return uint64_t{top};
  }
  return fail(DiskErrc::kInvalid, std::string("the limit on open files cannot be raised: ") + std::strerror(errno));
}

}  // namespace keelson::env
