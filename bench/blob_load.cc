// Puts many small objects into a bucket, as fast as it is answered, and says how long that took.
//
//   blob_load PORT CONNECTIONS FIRST COUNT BYTES BUCKET KEY_ID SECRET
//
// One thread, epoll, loopback, one request under way on each connection. Requests are signed in their headers
// (Signature V4, UNSIGNED-PAYLOAD) and carry a content type and a CRC32C, as SDKs send them. Object number i has the
// key and the bytes that hang on i alone: 30 bytes of key, "NNN/NN/object-" and 16 hex digits, so that the top has
// 1,000 common prefixes and each of them 100. Prints one JSON object.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "base/base64.h"
#include "base/crc32c.h"
#include "load_tools.h"
#include "protocol/s3/signature_v4.h"

namespace {

using namespace keelson;
using Clock = std::chrono::steady_clock;

struct Options {
  uint16_t port = 0;
  size_t connections = 0;
  uint64_t first = 0;
  uint64_t count = 0;
  size_t bytes = 0;
  std::string bucket;
  std::string key_id;
  std::string secret;
};

// SplitMix64: the n-th number hangs on n alone.
uint64_t mixed(uint64_t n) {
  n += 0x9e3779b97f4a7c15;
  n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9;
  n = (n ^ (n >> 27)) * 0x94d049bb133111eb;
  return n ^ (n >> 31);
}

std::string key_of(uint64_t number) {
  const uint64_t random = mixed(number);
  std::array<char, 40> key{};
  const int length =
      std::snprintf(key.data(), key.size(), "%03u/%02u/object-%016" PRIx64, static_cast<unsigned>(random % 1000),
                    static_cast<unsigned>(random / 1000 % 100), mixed(random));
  return {key.data(), static_cast<size_t>(length)};
}

// Bytes that do not compress.
void fill_body(uint64_t number, std::string& body) {
  for (size_t at = 0; at < body.size(); at += sizeof(uint64_t)) {
    number = number * 6364136223846793005 + 1442695040888963407;
    body.replace(at, std::min(sizeof(number), body.size() - at), reinterpret_cast<const char*>(&number),
                 std::min(sizeof(number), body.size() - at));
  }
}

class Signer {
 public:
  Signer(const Options& options, std::string host) : options_(options), host_(std::move(host)) {}

  std::string request(uint64_t number) {
    if (number % 256 == 0 || date_.empty()) note_time();
    const std::string path = "/" + options_.bucket + "/" + key_of(number);
    std::string body(options_.bytes, '\0');
    fill_body(number, body);
    const uint32_t crc = crc32c(0, body);
    const std::array<char, 4> big_endian = {static_cast<char>(crc >> 24), static_cast<char>(crc >> 16),
                                            static_cast<char>(crc >> 8), static_cast<char>(crc)};
    const std::string checksum = to_base64({big_endian.data(), big_endian.size()});
    const std::string canonical = "PUT\n" + path + "\n\nhost:" + host_ + "\nx-amz-checksum-crc32c:" + checksum +
                                  "\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:" + date_ + "\n\n" +
                                  std::string(kSigned) + "\nUNSIGNED-PAYLOAD";
    const std::string signature = s3::signature_v4(key_, s3::string_to_sign_v4(date_, scope_, canonical));
    return "PUT " + path + " HTTP/1.1\r\nHost: " + host_ +
           "\r\nContent-Type: binary/octet-stream\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\nx-amz-checksum-crc32c: " + checksum +
           "\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\nx-amz-date: " + date_ +
           "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=" + options_.key_id + "/" + scope_ +
           ", SignedHeaders=" + std::string(kSigned) + ", Signature=" + signature + "\r\n\r\n" + body;
  }

 private:
  static constexpr std::string_view kSigned = "host;x-amz-checksum-crc32c;x-amz-content-sha256;x-amz-date";

  void note_time() {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    std::array<char, 20> text{};
    date_.assign(text.data(), std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &utc));
    const std::string scope = date_.substr(0, 8) + "/us-east-1/s3/aws4_request";
    if (scope == scope_) return;
    scope_ = scope;
    key_ = s3::signing_key_v4(options_.secret, date_.substr(0, 8), "us-east-1");
  }

  const Options& options_;
  const std::string host_;
  std::string date_;
  std::string scope_;
  std::string key_;
};

struct Connection {
  int fd = -1;
  std::string unsent;
  std::string unparsed;
  Clock::time_point began;
};

class Load {
 public:
  explicit Load(const Options& options)
      : options_(options), signer_(options, "127.0.0.1:" + std::to_string(options.port)) {}

  // False, with a word on stderr, if a connection breaks or an answer is not 200.
  bool run();
  void print() const;

 private:
  bool connect_all();
  bool begin_next(Connection& connection);
  bool flush(Connection& connection);
  bool receive(Connection& connection);

  const Options options_;
  Signer signer_;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  uint64_t begun_ = 0;
  uint64_t answered_ = 0;
  std::vector<uint32_t> latencies_us_;
  double elapsed_s_ = 0;
};

bool Load::connect_all() {
  epoll_ = epoll_create1(0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options_.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connections_.resize(options_.connections);
  for (size_t i = 0; i < connections_.size(); ++i) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return false;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    connections_[i].fd = fd;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.u64 = i;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
  return true;
}

bool Load::begin_next(Connection& connection) {
  if (begun_ == options_.count) return true;
  connection.unsent = signer_.request(options_.first + begun_++);
  connection.began = Clock::now();
  return flush(connection);
}

bool Load::flush(Connection& connection) {
  while (!connection.unsent.empty()) {
    const ssize_t sent = ::send(connection.fd, connection.unsent.data(), connection.unsent.size(), MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN;
    connection.unsent.erase(0, static_cast<size_t>(sent));
  }
  return true;
}

// Answers to a PUT have no body.
bool Load::receive(Connection& connection) {
  std::array<char, 16384> bytes{};
  while (true) {
    const ssize_t count = ::recv(connection.fd, bytes.data(), bytes.size(), 0);
    if (count < 0 && errno == EAGAIN) return true;
    if (count <= 0) return false;
    connection.unparsed.append(bytes.data(), static_cast<size_t>(count));
    const size_t end = connection.unparsed.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    if (!connection.unparsed.starts_with("HTTP/1.1 200 ")) {
      std::fprintf(stderr, "blob_load: %s\n", connection.unparsed.c_str());
      return false;
    }
    connection.unparsed.erase(0, end + 4);
    ++answered_;
    if (answered_ % 16 == 0) {
      const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - connection.began);
      latencies_us_.push_back(static_cast<uint32_t>(took.count()));
    }
    if (!begin_next(connection)) return false;
  }
}

bool Load::run() {
  if (!connect_all()) return false;
  const auto began = Clock::now();
  for (Connection& connection : connections_) {
    if (!begin_next(connection)) return false;
  }
  std::array<epoll_event, 256> events{};
  while (answered_ < options_.count) {
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 60'000);
    if (count <= 0) return false;
    for (const epoll_event& event : std::vector<epoll_event>(events.begin(), events.begin() + count)) {
      Connection& connection = connections_[event.data.u64];
      if (!flush(connection) || !receive(connection)) return false;
    }
  }
  elapsed_s_ = std::chrono::duration<double>(Clock::now() - began).count();
  return true;
}

void Load::print() const {
  const bench::Percentiles taken(latencies_us_);
  std::printf("{\"objects\": %" PRIu64 ", \"seconds\": %.2f, \"per_second\": %.0f, \"p50_us\": %u, \"p99_us\": %u}\n",
              answered_, elapsed_s_, static_cast<double>(answered_) / elapsed_s_, taken.at(0.5), taken.at(0.99));
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (argc != 9 || !bench::read_number(argv[1], options.port) || !bench::read_number(argv[2], options.connections) ||
      !bench::read_number(argv[3], options.first) || !bench::read_number(argv[4], options.count) ||
      !bench::read_number(argv[5], options.bytes) || options.connections == 0) {
    std::fprintf(stderr, "blob_load PORT CONNECTIONS FIRST COUNT BYTES BUCKET KEY_ID SECRET\n");
    return 2;
  }
  options.bucket = argv[6];
  options.key_id = argv[7];
  options.secret = argv[8];
  Load load(options);
  if (!load.run()) {
    std::fprintf(stderr, "blob_load: the server refused, broke off or fell silent\n");
    return 1;
  }
  load.print();
  return 0;
}
