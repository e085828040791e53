// Sends GETs and SETs at a fixed rate over many connections, and tells how long the answers took.
//
// redis-benchmark sends as fast as it is answered, so it shows two servers under two different loads. Here the moment
// of each request is fixed beforehand, and an answer's time counts from that moment: a server that stalls is charged
// for every request that had to wait meanwhile (no "coordinated omission").
//
//   paced_load PORT CONNECTIONS RATE_PER_S SECONDS KEYS VALUE_BYTES SET_PERCENT
//
// Prints one JSON object: requests, answered per second, and latencies in microseconds. Keys are those of
// redis-benchmark: key:000000000042. One thread, epoll, loopback.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "load_tools.h"

namespace {

using Clock = std::chrono::steady_clock;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
}

struct Options {
  uint16_t port = 0;
  int connections = 0;
  int64_t rate_per_s = 0;
  int64_t seconds = 0;
  uint64_t keys = 0;
  size_t value_bytes = 0;
  unsigned set_percent = 0;
};

struct Connection {
  int fd = -1;
  std::string unsent;
  std::deque<int64_t> due_ns;  // of the requests that are not answered yet, oldest first
  std::string unparsed;
};

class Load {
 public:
  explicit Load(const Options& options) : options_(options), value_(options.value_bytes, 'x') {}

  bool connect_all();
  // False if a connection breaks or an answer is an error.
  bool run();
  void print() const;

 private:
  void send_one(int64_t due_ns);
  bool flush(Connection& connection);
  bool receive(Connection& connection);
  bool take_answers(Connection& connection);

  const Options options_;
  const std::string value_;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  std::mt19937_64 random_{42};
  size_t next_ = 0;
  int64_t sent_ = 0;
  std::vector<uint32_t> latencies_us_;
  double elapsed_s_ = 0;
};

bool Load::connect_all() {
  epoll_ = epoll_create1(0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options_.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connections_.resize(static_cast<size_t>(options_.connections));
  for (size_t i = 0; i < connections_.size(); ++i) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return false;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    connections_[i].fd = fd;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
  return true;
}

void Load::send_one(int64_t due_ns) {
  Connection& connection = connections_[next_];
  next_ = (next_ + 1) % connections_.size();
  std::array<char, 20> key{};
  std::snprintf(key.data(), key.size(), "key:%012llu", static_cast<unsigned long long>(random_() % options_.keys));
  if (random_() % 100 < options_.set_percent) {
    connection.unsent += "*3\r\n$3\r\nSET\r\n$16\r\n";
    connection.unsent.append(key.data(), 16);
    connection.unsent += "\r\n$" + std::to_string(value_.size()) + "\r\n" + value_ + "\r\n";
  } else {
    connection.unsent += "*2\r\n$3\r\nGET\r\n$16\r\n";
    connection.unsent.append(key.data(), 16);
    connection.unsent += "\r\n";
  }
  connection.due_ns.push_back(due_ns);
  ++sent_;
}

bool Load::flush(Connection& connection) {
  while (!connection.unsent.empty()) {
    const ssize_t count = ::send(connection.fd, connection.unsent.data(), connection.unsent.size(), MSG_NOSIGNAL);
    if (count < 0) return errno == EAGAIN;
    connection.unsent.erase(0, static_cast<size_t>(count));
  }
  return true;
}

bool Load::receive(Connection& connection) {
  std::array<char, 65536> bytes{};
  const ssize_t count = ::recv(connection.fd, bytes.data(), bytes.size(), 0);
  if (count == 0 || (count < 0 && errno != EAGAIN)) return false;
  if (count > 0) connection.unparsed.append(bytes.data(), static_cast<size_t>(count));
  return take_answers(connection);
}

// "+OK", "$-1" and "$<length>" are all that can come.
bool Load::take_answers(Connection& connection) {
  size_t at = 0;
  const int64_t now = now_ns();
  for (;;) {
    const size_t line_end = connection.unparsed.find("\r\n", at);
    if (line_end == std::string::npos) break;
    size_t end = line_end + 2;
    if (connection.unparsed[at] == '-') {
      std::fprintf(stderr, "paced_load: %s\n", connection.unparsed.substr(at, line_end - at).c_str());
      return false;
    }
    if (connection.unparsed[at] == '$' && connection.unparsed[at + 1] != '-') {
      size_t length = 0;
      std::from_chars(connection.unparsed.data() + at + 1, connection.unparsed.data() + line_end, length);
      end += length + 2;
      if (connection.unparsed.size() < end) break;
    }
    latencies_us_.push_back(static_cast<uint32_t>(std::max<int64_t>(0, (now - connection.due_ns.front()) / 1000)));
    connection.due_ns.pop_front();
    at = end;
  }
  connection.unparsed.erase(0, at);
  return true;
}

bool Load::run() {
  const int64_t total = options_.rate_per_s * options_.seconds;
  latencies_us_.reserve(static_cast<size_t>(total));
  const int64_t began = now_ns();
  const int64_t give_up_ns = began + (options_.seconds + 30) * 1'000'000'000;
  std::array<epoll_event, 256> events{};
  while (static_cast<int64_t>(latencies_us_.size()) < total) {
    const int64_t now = now_ns();
    if (now > give_up_ns) return false;
    while (sent_ < total) {
      const int64_t due = began + sent_ * 1'000'000'000 / options_.rate_per_s;
      if (due > now) break;
      send_one(due);
    }
    for (Connection& connection : connections_) {
      if (!connection.unsent.empty() && !flush(connection)) return false;
    }
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
      if (!receive(connections_[events[static_cast<size_t>(i)].data.u64])) return false;
    }
  }
  elapsed_s_ = static_cast<double>(now_ns() - began) / 1e9;
  return true;
}

void Load::print() const {
  const keelson::bench::Percentiles taken(latencies_us_);
  std::printf(
      "{\"requests\": %zu, \"per_second\": %.0f, \"p50_us\": %u, \"p99_us\": %u, \"p999_us\": %u, \"max_us\": %u}\n",
      latencies_us_.size(), static_cast<double>(latencies_us_.size()) / elapsed_s_, taken.at(0.5), taken.at(0.99),
      taken.at(0.999), taken.at(1));
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (argc != 8 || !keelson::bench::read_number(argv[1], options.port) ||
      !keelson::bench::read_number(argv[2], options.connections) ||
      !keelson::bench::read_number(argv[3], options.rate_per_s) ||
      !keelson::bench::read_number(argv[4], options.seconds) || !keelson::bench::read_number(argv[5], options.keys) ||
      !keelson::bench::read_number(argv[6], options.value_bytes) ||
      !keelson::bench::read_number(argv[7], options.set_percent) || options.connections <= 0 ||
      options.rate_per_s <= 0 || options.keys == 0) {
    std::fprintf(stderr, "paced_load PORT CONNECTIONS RATE_PER_S SECONDS KEYS VALUE_BYTES SET_PERCENT\n");
    return 2;
  }
  Load load(options);
  if (!load.connect_all() || !load.run()) {
    std::fprintf(stderr, "paced_load: the server refused, broke off or fell behind for good\n");
    return 1;
  }
  load.print();
  return 0;
}
