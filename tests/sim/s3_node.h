// The program of a simulated machine that serves S3: the blob store of blob_node.h, and the S3 service with its HTTP
// server on top of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "protocol/s3/service.h"
#include "tests/sim/blob_node.h"

namespace keelson::sim_test {

struct S3NodeOptions {
  BlobNodeOptions blobs;
  s3::S3Options s3;
};

class S3Node final : public env::sim::Program {
 public:
  static constexpr uint16_t kPort = 9000;

  S3Node(env::Env& env, S3NodeOptions options);
  ~S3Node() override;

  // As SIGTERM does.
  Task<Status> shut_down();

  [[nodiscard]] bool is_serving() const { return blobs_->is_serving(); }
  [[nodiscard]] const std::string& failure() const { return blobs_->failure(); }
  [[nodiscard]] BlobNode& blobs() { return *blobs_; }
  [[nodiscard]] s3::S3Service& service() { return *service_; }

 private:
  Task<Status> start_service(blobstore::Store& store);

  env::Env& env_;
  const S3NodeOptions options_;
  std::vector<std::unique_ptr<BlobClient>> no_clients_;
  std::unique_ptr<BlobNode> blobs_;
  std::unique_ptr<s3::S3Service> service_;
};

}  // namespace keelson::sim_test
