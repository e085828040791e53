// gzip (RFC 1952), written as a stream, over zlib. Bounded memory: about 256 KiB besides what is handed out.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace keelson::s3 {

// A value; own thread. Nothing here can fail but by a defect of ours or for want of memory.
class GzipWriter {
 public:
  GzipWriter();
  ~GzipWriter();
  GzipWriter(GzipWriter&&) noexcept;
  GzipWriter& operator=(GzipWriter&&) noexcept;

  // What is ready is appended to `out`; the rest follows with later calls.
  void write(std::string_view bytes, std::string& out);
  // The end of the stream. Once; write() may not follow.
  void finish(std::string& out);

 private:
  struct State;
  void deflate_into(std::string_view bytes, int flush, std::string& out);
  std::unique_ptr<State> state_;
};

}  // namespace keelson::s3
