#include "tests/sim/s3_node.h"

#include <utility>

#include "tests/sim/s3_caller.h"

namespace keelson::sim_test {

S3Node::S3Node(env::Env& env, S3NodeOptions options) : env_(env), options_(std::move(options)) {
  BlobNodeOptions blobs = options_.blobs;
  blobs.when_started = [this](blobstore::Store& store) { return start_service(store); };
  blobs_ = std::make_unique<BlobNode>(env, std::move(blobs), no_clients_);
}

S3Node::~S3Node() {
  blobs_->abandon();
  service_.reset();
  blobs_.reset();
}

Task<Status> S3Node::start_service(blobstore::Store& store) {
  s3::S3Options options = options_.s3;
  options.root_key_id = kRootId;
  options.root_secret = kRootSecret;
  service_ = std::make_unique<s3::S3Service>(env_, store, std::move(options));
  if (Status started = co_await service_->start(); !started.ok()) co_return forward_error(started);
  co_return service_->listen({.host = "", .port = kPort, .unix_path = {}}, nullptr);
}

Task<Status> S3Node::shut_down() {
  co_await service_->stop();
  co_return co_await blobs_->shut_down();
}

}  // namespace keelson::sim_test
