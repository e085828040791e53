#include "server/cluster_setup.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "cluster/errors.h"
#include "server/coord_setup.h"
#include "server/kv_setup.h"
#include "server/s3_setup.h"
#include "server/topic_setup.h"

namespace keelson::server {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// Between attempts to join.
constexpr int64_t kJoinRetryMs = 500;

}  // namespace

bool is_clustered(const Settings& settings) { return !settings.addresses("cluster.listen").empty(); }

void check_cluster_settings(const Settings& settings, bool has_secret, std::vector<SettingError>& errors) {
  const auto complain = [&](std::string_view key, std::string why) {
    errors.push_back({settings.origin(key), std::string(key), std::move(why)});
  };
  const std::vector<env::Address>& listen = settings.addresses("cluster.listen");
  if (listen.empty()) {
    if (!settings.addresses("cluster.join").empty()) complain("cluster.join", "this needs cluster.listen as well");
    if (settings.flag("cluster.init")) complain("cluster.init", "this needs cluster.listen as well");
    return;
  }
  if (listen.size() > 1) complain("cluster.listen", "other nodes reach a node at one address");
  if (!listen.front().unix_path.empty()) complain("cluster.listen", "a Unix socket is of no use to other machines");
  if (settings.flag("cluster.init") && !settings.addresses("cluster.join").empty()) {
    complain("cluster.init", "a node founds a cluster or joins one (cluster.join), not both");
  }
  if (settings.number("cluster.replicas") % 2 == 0) {
    complain("cluster.replicas", "an odd number: an even one survives the loss of no more nodes than the one below it");
  }
  const std::string& advertise = settings.text("cluster.advertise");
  if (!advertise.empty()) {
    const Result<env::Address> address = env::Address::parse(advertise);
    if (!address.ok()) complain("cluster.advertise", address.error().message());
  } else if (listen.front().host.empty() || listen.front().host == "0.0.0.0" || listen.front().host == "::") {
    complain("cluster.advertise", "cluster.listen stands for every interface, so this must say where others reach it");
  }
  const bool has_tls = !settings.text("cluster.tls.cert").empty();
  for (const std::string_view key : {"cluster.tls.key", "cluster.tls.ca"}) {
    if (has_tls && settings.text(key).empty()) complain(key, "cluster.tls.cert needs this as well");
    if (!has_tls && !settings.text(key).empty()) complain(key, "this needs cluster.tls.cert as well");
  }
  if (!has_tls && !has_secret && !listen.front().is_loopback()) {
    complain("cluster.listen", listen.front().text() +
                                   " can be reached from other machines, and nothing tells who may speak there. Set "
                                   "cluster.tls.cert, cluster.tls.key and cluster.tls.ca, or cluster.secret-file");
  }
  for (const std::string_view key : {"cluster.name", "cluster.zone"}) {
    if (!cluster::is_line(settings.text(key), cluster::kNameBytesMax)) {
      complain(key, "at most 64 printable characters");
    }
  }
}

Status check_cluster_folder(env::Disk& disk, const Settings& settings) {
  const std::string& folder = settings.text("data-dir");
  const bool has_file = disk.exists(folder + "/" + std::string(cluster::kIdentityName));
  if (has_file && !is_clustered(settings)) {
    return fail(FolderErrc::kMismatch, "the data folder " + folder +
                                           " belongs to a node of a cluster: set cluster.listen, where other nodes "
                                           "reach this one");
  }
  if (!has_file && is_clustered(settings) && disk.exists(folder + "/" + std::string(kLogFolder))) {
    return fail(FolderErrc::kMismatch,
                "the data folder " + folder +
                    " holds the data of a node that is in no cluster, and it cannot be taken into one as it is. Start "
                    "the cluster on new folders and copy the data over with a client");
  }
  return {};
}

cluster::Service::Shards make_cluster_shards(const shard::RuntimeOptions& options) {
  cluster::Service::Shards shards;
  for (size_t i = 0; i < options.services.size(); ++i) {
    const shard::ServiceOptions& service = options.services[i];
    for (uint16_t k = 0; k < service.shard_count; ++k, ++shards.total) {
      if (service.is_replicated) shards.replicated.push_back(shards.total);
      if (i == kKvService) shards.slots.push_back(shards.total);
      if (i == kTopicService && service.is_replicated) shards.topics.push_back(shards.total);
      if (i == kCoordService) shards.system = shards.total;
    }
  }
  return shards;
}

ClusterPart::ClusterPart(env::Env& env, const Settings& settings, std::string secret, std::string version,
                         std::function<void()> on_removed)
    : env_(env),
      home_(env.reactor(0)),
      settings_(settings),
      secret_(std::move(secret)),
      version_(std::move(version)),
      folder_(settings.text("data-dir")),
      on_removed_(std::move(on_removed)),
      is_founding_wanted_(settings.flag("cluster.init")),
      join_at_(settings.addresses("cluster.join")),
      decided_(home_) {}

ClusterPart::~ClusterPart() = default;

Status ClusterPart::make_mesh() {
  peer::Options options;
  options.listen = settings_.addresses("cluster.listen").front();
  options.advertise = settings_.text("cluster.advertise");
  if (!settings_.text("cluster.tls.cert").empty()) {
    auto server = net::TlsContext::server(env_.disk(), {.certificate_file = settings_.text("cluster.tls.cert"),
                                                        .key_file = settings_.text("cluster.tls.key"),
                                                        .ca_file = settings_.text("cluster.tls.ca"),
                                                        .client_certificate = net::ClientCertificate::kRequired,
                                                        .protocol_min = "1.3",
                                                        .ciphers = {},
                                                        .cipher_suites = {}});
    if (!server.ok()) return forward_error(server);
    auto client = net::TlsContext::client(env_.disk(), {.ca_file = settings_.text("cluster.tls.ca"),
                                                        .certificate_file = settings_.text("cluster.tls.cert"),
                                                        .key_file = settings_.text("cluster.tls.key")});
    if (!client.ok()) return forward_error(client);
    tls_server_ = std::move(*server);
    tls_client_ = std::move(*client);
    options.tls_server = tls_server_.get();
    options.tls_client = tls_client_.get();
  }
  options.identity = {.cluster = file_.cluster, .node = file_.node, .secret = secret_};
  options.revision = file_.boots;
  options.incoming_folder = folder_ + "/" + std::string(kClusterFolder);
  options.timing.ping_interval_ms = settings_.number("cluster.ping-interval");
  options.timing.liveness_timeout_ms = settings_.number("cluster.liveness-timeout");
  options.reactor_of = [count = env_.reactor_count()](uint16_t group) { return group % count; };
  mesh_ = std::make_unique<peer::Mesh>(env_, std::move(options));
  cluster::ServiceOptions service;
  service.folder = folder_;
  service.name = settings_.text("cluster.name");
  service.zone = settings_.text("cluster.zone");
  service.replace_after_ms = settings_.number("cluster.replace-after");
  service.version = version_;
  service.on_removed = on_removed_;
  service_ = std::make_unique<cluster::Service>(env_, *mesh_, std::move(service));
  return {};
}

Task<Status> ClusterPart::enter() {
  auto loaded = cluster::load_cluster_file(env_.disk(), folder_);
  if (!loaded.ok()) co_return forward_error(loaded);
  if (*loaded) {
    file_ = std::move(**loaded);
    ++file_.boots;
    if (Status saved = co_await cluster::save_cluster_file(env_.disk(), home_, folder_, file_); !saved.ok()) {
      co_return forward_error(saved);
    }
  }
  if (Status made = make_mesh(); !made.ok()) co_return forward_error(made);
  if (Status started = co_await mesh_->start(); !started.ok()) {
    co_return fail(started.error().code(), started.error().message() + "; see cluster.listen");
  }
  if (file_.node == 0) co_return co_await get_place();
  log_info("cluster", "the node belongs to a cluster", {{"cluster", file_.cluster}, {"node", file_.node}});
  co_return Status();
}

Task<Status> ClusterPart::get_place() {
  while (!is_given_up_) {
    if (is_founding_wanted_) {
      found_cluster();
      co_return Status();
    }
    if (!join_at_.empty()) {
      Status joined = co_await join_cluster();
      waiting_for_.clear();
      co_return joined;
    }
    if (waiting_for_.empty()) {
      waiting_for_ =
          "the node belongs to no cluster yet; `keelson cluster init` founds one with it, `keelson cluster "
          "add` takes it into one";
      log_info("cluster", waiting_for_, {{"listening", mesh_->listening().text()}});
    }
    co_await decided_.wait();
  }
  co_return fail(cluster::ClusterErrc::kFailed, "told to stop before the node had a place in a cluster");
}

void ClusterPart::take_place(cluster::ClusterFile file) {
  file_ = std::move(file);
  is_new_ = true;
  mesh_->set_identity({.cluster = file_.cluster, .node = file_.node, .secret = secret_});
  waiting_for_.clear();
}

void ClusterPart::found_cluster() {
  cluster::ClusterFile file;
  file.cluster = cluster::new_cluster_id(home_.random());
  file.node = 1;
  file.boots = 1;
  file.is_founding = true;
  log_info("cluster", "a cluster is founded", {{"cluster", file.cluster}});
  take_place(std::move(file));
}

Task<Status> ClusterPart::join_cluster() {
  cluster::JoinRequest request{.name = settings_.text("cluster.name"),
                               .zone = settings_.text("cluster.zone"),
                               .peer = mesh_->advertised(),
                               .token = cluster::new_cluster_id(home_.random())};
  std::string told;
  while (!is_given_up_) {
    Result<cluster::Joined> joined = co_await cluster::ask_to_join(*mesh_, join_at_, request);
    if (joined.ok()) {
      agreed_ = joined->settings;
      hash_secret_ = joined->hash_secret;
      log_info("cluster", "the node has joined a cluster", {{"cluster", joined->cluster}, {"node", joined->node}});
      take_place({.cluster = std::move(joined->cluster),
                  .node = joined->node,
                  .boots = 1,
                  .is_founding = false,
                  .book = std::move(joined->book)});
      co_return Status();
    }
    waiting_for_ = "the node cannot join its cluster yet: " + joined.error().message();
    if (std::exchange(told, joined.error().message()) != told) log_warn("cluster", waiting_for_);
    co_await env::sleep_for(home_, kJoinRetryMs * kNsPerMs);
  }
  co_return fail(cluster::ClusterErrc::kFailed, "told to stop before the node had a place in a cluster");
}

bool ClusterPart::found() {
  if (waiting_for_.empty() || is_founding_wanted_ || !join_at_.empty()) return false;
  is_founding_wanted_ = true;
  decided_.set();
  return true;
}

bool ClusterPart::join(std::vector<env::Address> addresses) {
  if (waiting_for_.empty() || is_founding_wanted_ || !join_at_.empty()) return false;
  join_at_ = std::move(addresses);
  decided_.set();
  return true;
}

void ClusterPart::give_up() {
  is_given_up_ = true;
  decided_.set();
}

void ClusterPart::shape(FolderWish& wish) const {
  wish.keeps_numbers = !is_new_;
  if (agreed_.kv_shards == 0) return;
  wish.shards = agreed_.kv_shards;
  wish.is_shards_explicit = true;
  wish.databases = agreed_.databases;
  wish.hash_secret = hash_secret_;
  for (ServiceShards& service : wish.services) {
    if (service.name == kBlobName) service.shards = agreed_.blob_shards;
    if (service.name == kTopicName) service.shards = agreed_.topic_shards;
  }
  std::erase_if(wish.services, [](const ServiceShards& service) { return service.shards == 0; });
}

// Settings that say something else than what holds in this cluster.
void ClusterPart::tell_ignored(const cluster::ClusterSettings& here) const {
  const auto tell = [this](std::string_view name, const std::string& in_force) {
    log_warn("cluster", "a setting has no effect: the cluster decides",
             {{"name", name}, {"value", settings_.value(name).text}, {"in_force", in_force}});
  };
  const auto check = [&](std::string_view name, uint16_t in_force) {
    const bool is_set = settings_.origin(name).kind != Origin::Kind::kDefault;
    if (is_set && settings_.number(name) != in_force) tell(name, std::to_string(in_force));
  };
  check("kv.shards", here.kv_shards);
  check("kv.databases", here.databases);
  check("blob.shards", here.blob_shards);
  if (here.topic_shards != 0) check("topic.shards", here.topic_shards);
  if (agreed_.kv_shards != 0) check("cluster.replicas", agreed_.replicas);
  for (const std::string_view name : {"kv.durability", "etcd.durability", "topic.durability"}) {
    const bool is_set = settings_.origin(name).kind != Origin::Kind::kDefault;
    if (is_set && settings_.text(name) != "always") tell(name, "always");
  }
}

// Last, since the folder must have the cluster's shape before it says that it belongs to one. A crash in between makes
// the node join again, under another number.
Task<Status> ClusterPart::settle(NodeFile node) {
  const cluster::ClusterSettings settings{.kv_shards = node.shards,
                                          .blob_shards = node.shards_of(kBlobName),
                                          .topic_shards = node.shards_of(kTopicName),
                                          .databases = node.databases,
                                          .replicas = static_cast<uint16_t>(settings_.number("cluster.replicas"))};
  service_->set_file(file_, settings, node.hash_secret);
  tell_ignored(settings);
  if (!is_new_) co_return Status();
  const bool has_joined = agreed_.kv_shards != 0;
  if (has_joined && (node.hash_secret != hash_secret_ || settings.blob_shards != agreed_.blob_shards ||
                     settings.topic_shards != agreed_.topic_shards)) {
    co_return fail(FolderErrc::kMismatch, "the data folder " + folder_ +
                                              " was begun for another cluster than the one that the node has joined. "
                                              "Start with an empty folder");
  }
  co_return co_await cluster::save_cluster_file(env_.disk(), home_, folder_, file_);
}

Task<Status> ClusterPart::start(shard::Runtime& runtime, coord::Service& coord) {
  co_return co_await service_->start(runtime, coord);
}

// Where the first of these is reached from other machines.
std::string ClusterPart::reached_at(const std::vector<env::Address>& listening) const {
  for (env::Address address : listening) {
    if (!address.unix_path.empty()) continue;
    if (address.host.empty() || address.host == "0.0.0.0" || address.host == "::") {
      const Result<env::Address> advertised = env::Address::parse(mesh_->advertised());
      if (!advertised.ok()) continue;
      address.host = advertised->host;
    }
    return address.text();
  }
  return {};
}

// Kafka's clients may be told another address than the one that is listened on.
std::string ClusterPart::kafka_at(const std::vector<env::Address>& listening) const {
  const std::string& advertised = settings_.text("kafka.advertised-listener");
  return listening.empty() || advertised.empty() ? reached_at(listening) : advertised;
}

void ClusterPart::serving_at(const Served& served) {
  // As etcd's clients take it.
  std::string etcd = reached_at(served.etcd);
  if (!etcd.empty()) etcd.insert(0, "http://");
  const Result<env::Address> kafka = env::Address::parse(kafka_at(served.kafka));
  const Result<env::Address> peers = env::Address::parse(mesh_->advertised());
  if (kafka.ok() && kafka->is_loopback() && peers.ok() && !peers->is_loopback()) {
    log_warn("cluster",
             "Kafka's clients on other machines cannot reach this node, and are sent here for what it leads; see "
             "kafka.listen and kafka.advertised-listener",
             {{"address", kafka->text()}});
  }
  if (etcd.empty() && !reached_at(served.etcd_tls).empty()) etcd = "https://" + reached_at(served.etcd_tls);
  service_->announce({.kv = reached_at(served.kv),
                      .kv_tls = reached_at(served.kv_tls),
                      .kv_id = served.kv_id,
                      .etcd = std::move(etcd),
                      .kafka = kafka_at(served.kafka),
                      .kafka_tls = kafka_at(served.kafka_tls),
                      .http = reached_at(served.http)});
}

Task<void> ClusterPart::stop_affairs() {
  if (service_ != nullptr) co_await service_->stop();
}

void ClusterPart::abandon() {
  if (service_ != nullptr) service_->abandon();
}

Task<void> ClusterPart::stop() {
  if (service_ != nullptr) co_await service_->detach();
  if (mesh_ != nullptr) co_await mesh_->stop();
}

Status ClusterPart::reload_certificates() {
  for (net::TlsContext* context : {tls_server_.get(), tls_client_.get()}) {
    if (context == nullptr) continue;
    if (Status reloaded = context->reload(env_.disk()); !reloaded.ok()) return reloaded;
  }
  return {};
}

std::string ClusterPart::why_not_ready() const {
  const std::shared_ptr<const shard::ClusterMap> map = service_->view().map();
  const std::shared_ptr<const shard::ClusterMap> topics = service_->kafka_view().map();
  if (map->shards.empty() || map->node(map->here) == nullptr) return "the cluster's state is not known here yet";
  const auto is_without = [](const shard::ClusterMap::Shard& shard) { return shard.leader == 0; };
  const auto without =
      std::ranges::count_if(map->shards, is_without) + std::ranges::count_if(topics->shards, is_without);
  if (without == 0) return {};
  return std::to_string(without) + " of " + std::to_string(map->shards.size() + topics->shards.size()) +
         " shards have no leader";
}

std::string ClusterPart::text() const {
  return "node " + std::to_string(file_.node) + " of cluster " + file_.cluster.substr(0, 8);
}

}  // namespace keelson::server
