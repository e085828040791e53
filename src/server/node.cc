#include "server/node.h"

#include <utility>
#include <vector>

#include "base/logging.h"
#include "coord/service.h"
#include "engine/kv/kv_engine.h"
#include "engine/kv/reply.h"
#include "log/local_log.h"
#include "monitor/http_metrics.h"
#include "monitor/log_lines.h"
#include "monitor/runtime_metrics.h"
#include "net/http/server.h"
#include "net/tls_stream.h"
#include "protocol/etcd/members.h"
#include "protocol/etcd/service.h"
#include "protocol/kafka/groups.h"
#include "protocol/kafka/service.h"
#include "protocol/pubsub/service.h"
#include "server/backup_source.h"
#include "server/cluster_members.h"
#include "server/cluster_setup.h"
#include "server/coord_setup.h"
#include "server/dynamic_config.h"
#include "server/group_setup.h"
#include "server/kafka_access_setup.h"
#include "server/kv_metrics.h"
#include "server/kv_setup.h"
#include "server/pubsub_setup.h"
#include "server/s3_setup.h"
#include "server/topic_calls.h"
#include "server/topic_setup.h"
#include "shard/runtime.h"
#include "topics/topics.h"
#include "topics/transactions.h"

namespace keelson::server {

namespace {

constexpr uint64_t kConfigBytesMax = 4 << 20;
constexpr std::string_view kPlain = "text/plain; charset=utf-8";

constexpr std::string_view kClusterDurability =
    "in a cluster every write is on the disks of a majority before it is answered";

net::TlsServerOptions kv_tls_options(const Settings& settings) {
  net::TlsServerOptions options;
  options.certificate_file = settings.text("kv.tls.cert");
  options.key_file = settings.text("kv.tls.key");
  options.ca_file = settings.text("kv.tls.ca");
  const std::string& clients = settings.text("kv.tls.auth-clients");
  if (clients == "optional") options.client_certificate = net::ClientCertificate::kOptional;
  if (clients == "yes") options.client_certificate = net::ClientCertificate::kRequired;
  options.protocol_min = settings.text("kv.tls.protocol-min");
  options.ciphers = settings.text("kv.tls.ciphers");
  options.cipher_suites = settings.text("kv.tls.cipher-suites");
  return options;
}

net::TlsServerOptions etcd_tls_options(const Settings& settings) {
  net::TlsServerOptions options;
  options.certificate_file = settings.text("etcd.tls.cert");
  options.key_file = settings.text("etcd.tls.key");
  options.ca_file = settings.text("etcd.tls.ca");
  const std::string& clients = settings.text("etcd.tls.auth-clients");
  if (clients == "optional") options.client_certificate = net::ClientCertificate::kOptional;
  if (clients == "yes") options.client_certificate = net::ClientCertificate::kRequired;
  return options;
}

std::string join(const std::vector<env::Address>& addresses, std::string_view separator) {
  std::string text;
  for (const env::Address& address : addresses) text.append(text.empty() ? "" : separator).append(address.text());
  return text;
}

// The sentence for an address that cannot be listened on, with the setting to change.
std::unexpected<Error> cannot_listen(const env::Address& at, std::string_view key, const Error& error) {
  std::string advice = "; see " + std::string(key);
  if (error.code() == env::NetErrc::kAddressInUse) {
    advice = ". Is another server running there? Stop it, or choose another address with --" + std::string(key) +
             " (port 0 picks a free one)";
  }
  return fail(error.code(), error.message() + advice);
}

}  // namespace

Node::Node(env::Env& env, NodeOptions options) : env_(env), home_(env.reactor(0)), options_(std::move(options)) {
  add_endpoints();
}

Node::~Node() {
  // A crash in simulation: nothing was stopped.
  if (cluster_ != nullptr) cluster_->abandon();
}

Task<Status> Node::start() {
  const Settings& settings = options_.settings;
  std::vector<SettingError> errors;
  resp::KvConfig config = make_kv_config(settings, options_.kv_password, errors);
  if (!errors.empty()) co_return fail(SettingErrc::kBadValue, errors.front().text());
  if (Status made = make_certificates(); !made.ok()) co_return forward_error(made);

  if (Status fits = check_cluster_folder(env_.disk(), settings); !fits.ok()) co_return forward_error(fits);
  if (is_clustered(settings)) {
    // HTTP comes first: by it people say which cluster the node shall belong to, if they have not yet.
    if (Status started = start_http(); !started.ok()) co_return forward_error(started);
    cluster_ = std::make_unique<ClusterPart>(env_, settings, options_.cluster_secret, std::string(kVersion), [this] {
      if (options_.request_stop) options_.request_stop(true);
    });
    if (Status entered = co_await cluster_->enter(); !entered.ok()) co_return forward_error(entered);
  }
  if (Status opened = co_await open_folder(config); !opened.ok()) co_return forward_error(opened);
  if (cluster_ == nullptr) {
    if (Status started = start_http(); !started.ok()) co_return forward_error(started);
  }
  config.encodings.hash_secret = folder_->node().hash_secret;
  if (Status started = co_await start_shards(config); !started.ok()) co_return forward_error(started);
  if (Status started = co_await start_coord(); !started.ok()) co_return forward_error(started);
  // What follows the lead of shards stands before they get one.
  if (Status started = co_await start_topics(); !started.ok()) co_return forward_error(started);
  kv_ = std::make_unique<resp::KvService>(*runtime_, std::move(config), make_host());
  if (cluster_ != nullptr) {
    if (Status started = co_await cluster_->start(*runtime_, *coord_); !started.ok()) co_return forward_error(started);
  }
  if (Status listening = listen_kv(); !listening.ok()) co_return forward_error(listening);
  if (Status started = co_await start_s3(); !started.ok()) co_return forward_error(started);
  if (Status started = co_await start_etcd(); !started.ok()) co_return forward_error(started);
  if (Status listening = listen_kafka(); !listening.ok()) co_return forward_error(listening);
  if (Status listening = listen_pubsub(); !listening.ok()) co_return forward_error(listening);
  if (cluster_ != nullptr) announce_to_cluster();
  state_ = State::kReady;
  co_return Status();
}

Task<Status> Node::open_folder(resp::KvConfig& config) {
  const Settings& settings = options_.settings;
  FolderWish wish;
  wish.shards = static_cast<uint16_t>(settings.number("kv.shards"));
  wish.is_shards_explicit = settings.origin("kv.shards").kind != Origin::Kind::kDefault;
  wish.databases = config.databases;
  wish.services.push_back({std::string(kBlobName), static_cast<uint16_t>(settings.number("blob.shards"))});
  wish.services.push_back({std::string(kCoordName), kCoordShards});
  wish.services.push_back({std::string(kTopicName), static_cast<uint16_t>(settings.number("topic.shards"))});
  if (cluster_ != nullptr) cluster_->shape(wish);
  auto folder = co_await DataFolder::open(env_.disk(), home_, settings.text("data-dir"), wish);
  if (!folder.ok()) co_return forward_error(folder);
  folder_ = std::move(*folder);
  config.databases = folder_->node().databases;
  config.encodings.databases = config.databases;
  if (cluster_ == nullptr) co_return Status();
  co_return co_await cluster_->settle(folder_->node());
}

void Node::give_up_starting() {
  if (cluster_ != nullptr) cluster_->give_up();
}

Status Node::make_certificates() {
  const Settings& settings = options_.settings;
  if (!settings.text("kv.tls.cert").empty()) {
    auto made = net::TlsContext::server(env_.disk(), kv_tls_options(settings));
    if (!made.ok()) return forward_error(made);
    kv_tls_ = std::move(*made);
  }
  const auto make = [&](const std::string& service, std::unique_ptr<net::TlsContext>& into) -> Status {
    if (settings.text(service + ".tls.cert").empty()) return {};
    net::TlsServerOptions options;
    options.certificate_file = settings.text(service + ".tls.cert");
    options.key_file = settings.text(service + ".tls.key");
    auto made = net::TlsContext::server(env_.disk(), options);
    if (!made.ok()) return forward_error(made);
    into = std::move(*made);
    return {};
  };
  if (!settings.text("etcd.tls.cert").empty()) {
    auto made = net::TlsContext::server(env_.disk(), etcd_tls_options(settings));
    if (!made.ok()) return forward_error(made);
    etcd_tls_ = std::move(*made);
  }
  if (!settings.text("kafka.tls.cert").empty()) {
    auto made = net::TlsContext::server(env_.disk(), kafka_tls_options(settings));
    if (!made.ok()) return forward_error(made);
    kafka_tls_ = std::move(*made);
  }
  if (!settings.text("pubsub.tls.cert").empty()) {
    auto made = net::TlsContext::server(env_.disk(), pubsub_tls_options(settings));
    if (!made.ok()) return forward_error(made);
    pubsub_tls_ = std::move(*made);
  }
  if (Status made = make("s3", s3_tls_); !made.ok()) return made;
  return make("http", http_tls_);
}

Status Node::reload_certificates() {
  for (net::TlsContext* context :
       {kv_tls_.get(), s3_tls_.get(), etcd_tls_.get(), kafka_tls_.get(), pubsub_tls_.get(), http_tls_.get()}) {
    if (context == nullptr) continue;
    if (Status reloaded = context->reload(env_.disk()); !reloaded.ok()) return reloaded;
  }
  return cluster_ == nullptr ? Status() : cluster_->reload_certificates();
}

Status Node::start_http() {
  const Settings& settings = options_.settings;
  net::http::ServerOptions options;
  options.connections_max = static_cast<uint32_t>(settings.number("http.max-connections"));
  endpoints_.set_password(options_.http_password.empty() ? options_.kv_password : options_.http_password);
  http_ = std::make_unique<net::http::Server>(
      env_.network(), home_, options, [this](net::http::Exchange& exchange) { return endpoints_.handle(exchange); });
  for (const env::Address& at : settings.addresses("http.listen")) {
    if (Status listening = http_->listen(at, http_tls_.get()); !listening.ok()) {
      return cannot_listen(at, "http.listen", listening.error());
    }
  }
  addresses_.http = http_->addresses();
  return {};
}

Task<Status> Node::start_shards(const resp::KvConfig& config) {
  static kv::NullReply nobody;
  shard::RuntimeOptions options = make_runtime_options(options_.settings);
  options.folder = folder_->path();
  shard::ServiceOptions& kv_service = options.services.front();
  kv_service.shard_count = folder_->node().shards;
  kv_service.engine_version = kKvEngineVersion;
  kv_service.replay_sink = &nobody;
  kv_service.has_slots = true;
  const kv::KvOptions engine_options{.databases = config.databases, .hash_secret = folder_->node().hash_secret};
  kv_service.make_engine = [engine_options](shard::ShardId) { return std::make_unique<kv::KvEngine>(engine_options); };
  shard::ServiceOptions& blob_service = options.services.emplace_back(make_blob_service(options_.settings));
  blob_service.shard_count = folder_->node().shards_of(kBlobName);
  // Objects are each node's own so far.
  blob_service.is_replicated = false;
  options.services.push_back(make_coord_service(options_.settings));
  options.services.back().shard_count = folder_->node().shards_of(kCoordName);
  if (const uint16_t topic_shards = folder_->node().shards_of(kTopicName); topic_shards != 0) {
    shard::ShardId first = 0;
    for (const shard::ServiceOptions& service : options.services) first += service.shard_count;
    options.services.push_back(make_topic_service(options_.settings, env_, folder_->path(), topic_shards, first));
  }
  if (cluster_ != nullptr) options.replication = cluster_->replication(make_cluster_shards(options));
  runtime_ = std::make_unique<shard::Runtime>(env_, std::move(options));
  if (Status started = co_await runtime_->start(); !started.ok()) co_return forward_error(started);
  const shard::RecoveryReport& recovery = runtime_->recovery();
  log_info("server", "the data is recovered",
           {{"records", recovery.records_replayed},
            {"checkpoint_bytes", recovery.checkpoint_bytes},
            {"took_ms", recovery.duration_ms}});
  co_return Status();
}

Task<Status> Node::start_coord() {
  coord::ServiceOptions options = make_coord_options(options_.settings, folder_->node().hash_secret);
  options.is_alone = cluster_ == nullptr;
  coord_ = std::make_unique<coord::Service>(*runtime_, runtime_->router(kCoordService), options);
  if (cluster_ != nullptr) coord_->set_remote_leases(cluster_->service().remote_leases());
  co_return co_await coord_->start();
}

Status Node::listen_kv() {
  const auto listen = [this](std::string_view key, net::TlsContext* tls, std::vector<env::Address>& into) -> Status {
    for (const env::Address& at : options_.settings.addresses(key)) {
      if (Status listening = kv_->listen(at, tls); !listening.ok()) return cannot_listen(at, key, listening.error());
      into.push_back(kv_->addresses().back());
    }
    return {};
  };
  if (Status done = listen("kv.listen", nullptr, addresses_.kv); !done.ok()) return done;
  return listen("kv.tls.listen", kv_tls_.get(), addresses_.kv_tls);
}

Task<Status> Node::start_s3() {
  const Settings& settings = options_.settings;
  if (options_.s3_secret.empty()) {
    auto key = co_await s3::load_or_make_root_key(env_.disk(), home_, folder_->path());
    if (!key.ok()) co_return forward_error(key);
    root_key_ = std::move(*key);
  } else {
    root_key_ = {.id = settings.text("s3.access-key-id"), .secret = options_.s3_secret};
  }
  store_ = std::make_unique<blobstore::Store>(env_, *runtime_, runtime_->router(kBlobService),
                                              make_store_options(settings, folder_->path()));
  if (Status started = co_await store_->start(); !started.ok()) co_return forward_error(started);
  auto masters = co_await load_master_keys(settings, env_, folder_->path());
  if (!masters.ok()) co_return forward_error(masters);
  s3_ = std::make_unique<s3::S3Service>(env_, *store_, make_s3_options(settings, root_key_, std::move(*masters)));
  if (Status started = co_await s3_->start(); !started.ok()) co_return forward_error(started);
  co_return listen_s3();
}

Status Node::listen_s3() {
  const auto listen = [this](std::string_view key, net::TlsContext* tls, std::vector<env::Address>& into) -> Status {
    for (const env::Address& at : options_.settings.addresses(key)) {
      if (Status listening = s3_->listen(at, tls); !listening.ok()) return cannot_listen(at, key, listening.error());
      into.push_back(s3_->addresses().back());
    }
    return {};
  };
  if (Status done = listen("s3.listen", nullptr, addresses_.s3); !done.ok()) return done;
  return listen("s3.tls.listen", s3_tls_.get(), addresses_.s3_tls);
}

Task<Status> Node::start_etcd() {
  const Settings& settings = options_.settings;
  if (Status good = co_await check_etcd_access(settings, *coord_, home_); !good.ok()) co_return forward_error(good);
  if (cluster_ != nullptr) {
    members_ = std::make_unique<ClusterMembers>(cluster_->service(), *runtime_);
  } else {
    auto lone = std::make_unique<etcd::LoneMember>(lone_facts(folder_->node().id), "default");
    lone->set_applied_index(coord_->home(), [this] { return runtime_->shard(coord_->shard_id()).applied_index(); });
    members_ = std::move(lone);
  }
  etcd::EtcdOptions options = make_etcd_options(settings);
  options.metrics_text = [this](env::Reactor& here) { return etcd_metrics(here); };
  etcd_ = std::make_unique<etcd::EtcdService>(env_, *coord_, *members_, std::move(options));
  start_config();
  co_return listen_etcd();
}

// Nothing here waits for a shard that a cluster decides on.
Task<Status> Node::start_topics() {
  const Settings& settings = options_.settings;
  if (folder_->node().shards_of(kTopicName) == 0) {
    log_warn("server", "there are no topics on this node: its cluster was founded by a version that had none there");
    co_return Status();
  }
  const log::NodeId node = cluster_ == nullptr ? 0 : cluster_->service().file().node;
  const std::string& id = cluster_ == nullptr ? folder_->node().id : cluster_->service().file().cluster;
  topics_ = std::make_unique<topics::Topics>(*runtime_, make_topics_options(settings, node));
  kafka_access_ = std::make_unique<kafka::Security>(*topics_, make_kafka_access(settings, options_.kafka_users));
  transactions_ = std::make_unique<topics::Transactions>(*topics_, make_transactions_options(settings));
  groups_ = std::make_unique<kafka::Groups>(*topics_, make_group_options(settings));
  if (cluster_ != nullptr) connect_topics(*topics_, cluster_->service());
  if (Status started = co_await topics_->start(); !started.ok()) co_return forward_error(started);
  if (Status started = co_await kafka_access_->start(); !started.ok()) co_return forward_error(started);
  if (Status started = co_await transactions_->start(); !started.ok()) co_return forward_error(started);
  if (Status started = co_await groups_->start(); !started.ok()) co_return forward_error(started);
  kafka_ = std::make_unique<kafka::KafkaService>(*topics_, make_kafka_options(settings, folder_->path(), id, node));
  kafka_->set_security(*kafka_access_);
  kafka_->set_coordinators(groups_.get(), transactions_.get());
  if (cluster_ != nullptr) kafka_->set_cluster(cluster_->service().kafka_view());
  if (cluster_ == nullptr) {
    pubsub_ = std::make_unique<pubsub::PubsubService>(env_, *topics_, make_pubsub_options(settings));
  }
  co_return Status();
}

Status Node::listen_pubsub() {
  if (pubsub_ == nullptr) return {};
  const auto listen = [this](std::string_view key, net::TlsContext* tls, std::vector<env::Address>& into) -> Status {
    for (const env::Address& at : options_.settings.addresses(key)) {
      if (Status listening = pubsub_->listen(at, tls); !listening.ok())
        return cannot_listen(at, key, listening.error());
      into.push_back(pubsub_->addresses().back());
    }
    return {};
  };
  if (Status done = listen("pubsub.listen", nullptr, addresses_.pubsub); !done.ok()) return done;
  return listen("pubsub.tls.listen", pubsub_tls_.get(), addresses_.pubsub_tls);
}

Status Node::listen_kafka() {
  if (kafka_ == nullptr) return {};
  const auto listen = [this](std::string_view key, net::TlsContext* tls, std::vector<env::Address>& into) -> Status {
    for (const env::Address& at : options_.settings.addresses(key)) {
      if (Status listening = kafka_->listen(at, tls); !listening.ok()) return cannot_listen(at, key, listening.error());
      into.push_back(kafka_->addresses().back());
    }
    return {};
  };
  if (Status done = listen("kafka.listen", nullptr, addresses_.kafka); !done.ok()) return done;
  return listen("kafka.tls.listen", kafka_tls_.get(), addresses_.kafka_tls);
}

void Node::start_config() {
  LiveSettings live;
  live.check = [this](const SettingSpec& spec, std::string_view text) -> Status {
    if (Status good = check_live(spec, text); !good.ok()) return good;
    const bool is_decided = cluster_ != nullptr && spec.key == "kv.durability" && text != "always";
    return is_decided ? fail(SettingErrc::kBadValue, std::string(kClusterDurability)) : Status();
  };
  live.apply = [this](const SettingSpec& spec, std::string text) { return apply_live(*kv_, spec, std::move(text)); };
  live.in_force = [this](const SettingSpec& spec) { return live_text(*kv_, spec); };
  config_ = std::make_unique<DynamicConfig>(home_, *coord_, std::move(live));
  config_->start();
}

Status Node::listen_etcd() {
  std::vector<std::string> urls;
  const auto listen = [&](std::string_view key, net::TlsContext* tls, std::vector<env::Address>& into) -> Status {
    for (const env::Address& at : options_.settings.addresses(key)) {
      if (Status listening = etcd_->listen(at, tls); !listening.ok()) return cannot_listen(at, key, listening.error());
      into.push_back(etcd_->addresses().back());
      urls.push_back((tls != nullptr ? "https://" : "http://") + into.back().text());
    }
    return {};
  };
  if (Status done = listen("etcd.listen", nullptr, addresses_.etcd); !done.ok()) return done;
  if (Status done = listen("etcd.tls.listen", etcd_tls_.get(), addresses_.etcd_tls); !done.ok()) return done;
  // Members of a cluster are told by their records.
  if (cluster_ == nullptr) static_cast<etcd::LoneMember&>(*members_).set_client_urls(std::move(urls));
  return {};
}

// What etcd's port shows: of etcd's API, coordination and the process alone, since it asks nobody for a password.
// `etcdctl check datascale` wants process_resident_memory_bytes.
Task<std::string> Node::etcd_metrics(env::Reactor& /*here*/) {
  monitor::OpenMetrics out;
  if (options_.process_metrics) options_.process_metrics(out);
  write_etcd_metrics(*etcd_, *coord_, out);
  co_return out.finish();
}

resp::Host Node::make_host() {
  resp::Host host;
  host.shutdown = [this](bool with_checkpoint) {
    if (options_.request_stop) options_.request_stop(with_checkpoint);
  };
  host.rewrite_config = [this](resp::KvConfig live) { return rewrite_config(std::move(live)); };
  host.set_durability = [this](log::Durability durability) -> Status {
    if (cluster_ != nullptr && durability != log::Durability::kAlways) {
      return fail(SettingErrc::kBadValue, std::string(kClusterDurability));
    }
    runtime_->set_durability(kKvService, durability);
    return {};
  };
  host.durability = [this] { return runtime_->durability(kKvService); };
  host.process_figures = options_.process_figures;
  host.purge_memory = options_.purge_memory;
  host.config_file = options_.config_file;
  host.executable = options_.executable;
  host.data_folder = folder_->path();
  host.version = kVersion;
  host.node_id = folder_->node().id;
  if (cluster_ != nullptr) host.cluster = &cluster_->service().view();
  const std::vector<env::Address>& kv = options_.settings.addresses("kv.listen");
  if (!kv.empty()) {
    host.port = kv.front().port;
    host.bind = kv.front().host;
  }
  return host;
}

Task<Status> Node::rewrite_config(resp::KvConfig live) {
  const std::string& path = options_.config_file;
  Result<std::string> text = env::read_file(env_.disk(), path, kConfigBytesMax);
  if (!text.ok()) co_return forward_error(text);
  const LoadedSettings in_file = load_settings({.file_name = path, .file_text = *text, .variables = {}, .flags = {}});
  if (!in_file.errors.empty()) co_return fail(SettingErrc::kBadFile, in_file.errors.front().text());
  if (!options_.settings.text("kv.password-file").empty()) {
    // The password's place is its own file: it is not copied into this one.
    if (live.password != options_.kv_password) {
      co_return fail(SettingErrc::kBadFile,
                     "the password comes from " + options_.settings.text("kv.password-file") + "; change it there");
    }
    live.password = in_file.settings.text("kv.password");
  }
  std::vector<SettingError> errors;
  const resp::KvConfig before = make_kv_config(in_file.settings, in_file.settings.text("kv.password"), errors);
  if (!errors.empty()) co_return fail(SettingErrc::kBadFile, errors.front().text());
  const log::Durability durability_before = parse_durability(in_file.settings);
  const Pairs changes = changes_since(before, durability_before, live, runtime_->durability(kKvService), *kv_);
  Result<std::string> changed = rewrite_toml(path, *text, changes);
  if (!changed.ok()) co_return forward_error(changed);
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  co_return co_await env::replace_file(env_.disk(), home_, folder, name, std::move(*changed));
}

Task<Status> Node::stop(bool with_checkpoint) {
  state_ = State::kStopping;
  if (pubsub_ != nullptr) co_await pubsub_->stop();
  if (kafka_ != nullptr) co_await kafka_->stop();
  if (etcd_ != nullptr) co_await etcd_->stop();
  if (config_ != nullptr) co_await config_->stop();
  if (s3_ != nullptr) co_await s3_->stop();
  if (kv_ != nullptr) co_await kv_->stop();
  if (http_ != nullptr) co_await http_->stop();
  if (store_ != nullptr) co_await store_->stop();
  if (kafka_access_ != nullptr) co_await kafka_access_->stop();
  if (transactions_ != nullptr) co_await transactions_->stop();
  if (topics_ != nullptr) co_await topics_->stop();
  if (cluster_ != nullptr) co_await cluster_->stop_affairs();
  if (coord_ != nullptr) co_await coord_->stop();
  Status stopped;
  // Without a kv service the shards have not started, and there is nothing to write down.
  if (kv_ != nullptr) stopped = co_await runtime_->stop(with_checkpoint);
  config_.reset();
  // Until now other nodes were needed, to take the lead over.
  if (cluster_ != nullptr) co_await cluster_->stop();
  pubsub_.reset();
  kafka_.reset();
  kafka_access_.reset();
  groups_.reset();
  transactions_.reset();
  topics_.reset();
  etcd_.reset();
  s3_.reset();
  store_.reset();
  kv_.reset();
  coord_.reset();
  co_return stopped;
}

void Node::add_endpoints() {
  using monitor::Access;
  endpoints_.add(
      {"GET", "/healthz", Access::kOpen,
       [](net::http::Exchange& exchange) -> Task<void> { (void)co_await exchange.respond(200, kPlain, "ok\n"); },
       "200 while the process runs"});
  endpoints_.add({"GET", "/readyz", Access::kOpen,
                  [this](net::http::Exchange& exchange) { return answer_ready(exchange); },
                  "200 while it serves; 503 with the reason otherwise"});
  endpoints_.add({"GET", "/metrics", Access::kPassword,
                  [this](net::http::Exchange& exchange) { return answer_metrics(exchange); },
                  "OpenMetrics, for Prometheus"});
  endpoints_.add({"GET", "/admin/backup", Access::kPassword,
                  [this](net::http::Exchange& exchange) { return answer_backup(exchange); },
                  "a backup of the node (keelson backup)"});
  endpoints_.add({"POST", "/admin/checkpoint", Access::kPassword,
                  [this](net::http::Exchange& exchange) { return answer_checkpoint(exchange); },
                  "writes every changed shard down, then answers"});
  endpoints_.add({"GET", "/admin/config", Access::kPassword,
                  [this](net::http::Exchange& exchange) { return answer_config(exchange); },
                  "the settings that can be changed while the server runs, or the one with this name and its history"});
  endpoints_.add({"PUT", "/admin/config", Access::kPassword,
                  [this](net::http::Exchange& exchange) { return answer_put_config(exchange); },
                  "checks a setting and changes it on every node"});
  endpoints_.add({"DELETE", "/admin/config", Access::kPassword,
                  [this](net::http::Exchange& exchange) { return answer_remove_config(exchange); },
                  "gives a setting its value of the start again"});
  endpoints_.add({"GET", "/admin/s3/keys", Access::kPassword,
                  [this](net::http::Exchange& exchange) { return answer_keys(exchange); },
                  "the access keys of S3, or the one with this id, without their secrets"});
  endpoints_.add({"POST", "/admin/s3/keys", Access::kPassword,
                  [this](net::http::Exchange& exchange) { return answer_put_key(exchange); },
                  "makes an access key of S3"});
  endpoints_.add({"PATCH", "/admin/s3/keys", Access::kPassword,
                  [this](net::http::Exchange& exchange) { return answer_change_key(exchange); },
                  "changes the access key of S3 with this id: its policy, whether it is enabled, when it expires"});
  endpoints_.add({"DELETE", "/admin/s3/keys", Access::kPassword,
                  [this](net::http::Exchange& exchange) { return answer_remove_key(exchange); },
                  "removes the access key of S3 with this id"});
  add_cluster_endpoints();
}

std::string Node::why_not_ready() const {
  if (state_ == State::kStarting) {
    return cluster_ != nullptr && !cluster_->waiting_for().empty() ? cluster_->waiting_for()
                                                                   : "the data is being recovered";
  }
  if (state_ == State::kStopping) return "the server is stopping";
  const log::LocalLog* log = runtime_->local_log();
  if (log != nullptr && log->failure() != nullptr) return "writes are refused: " + *log->failure();
  if (cluster_ != nullptr) return cluster_->why_not_ready();
  return {};
}

Task<void> Node::answer_ready(net::http::Exchange& exchange) {
  const std::string why = why_not_ready();
  if (!why.empty()) {
    (void)co_await exchange.respond(503, kPlain, why + "\n");
    co_return;
  }
  std::string text = "ready\n";
  const log::LocalLog* log = runtime_->local_log();
  if (log != nullptr && log->stats().is_full.value() != 0)
    text += "warning: the disk is full, writes are refused until there is room\n";
  (void)co_await exchange.respond(200, kPlain, text);
}

Task<void> Node::answer_metrics(net::http::Exchange& exchange) {
  monitor::OpenMetrics out;
  out.family("keelson_build", monitor::MetricType::kInfo, "", "The program.");
  out.sample({{"version", kVersion}}, uint64_t{1});
  out.gauge("keelson_ready", "", "1 while the node serves.", int64_t{why_not_ready().empty()});
  out.gauge("keelson_memory_used_bytes", "bytes", "Memory that the program holds from its allocator.",
            static_cast<int64_t>(env_.memory_used_bytes()));
  std::vector<monitor::HttpServerMetrics> servers = {{"http", http_->counts()}};
  if (state_ == State::kReady) {
    servers.push_back({"s3", s3_->http_counts()});
    servers.push_back({"etcd", etcd_->http_counts()});
    if (pubsub_ != nullptr) servers.push_back({"pubsub", pubsub_->http_counts()});
  }
  monitor::write_http_metrics(servers, out);
  if (options_.process_metrics) options_.process_metrics(out);
  if (state_ == State::kReady) {
    monitor::write_runtime_metrics(*runtime_, out);
    co_await write_kv_metrics(*kv_, home_, out);
    co_await write_s3_metrics(*s3_, *store_, home_, out);
    write_etcd_metrics(*etcd_, *coord_, out);
    if (pubsub_ != nullptr) co_await write_pubsub_metrics(*pubsub_, home_, out);
    if (kafka_ != nullptr) co_await write_topic_metrics(*kafka_, *topics_, home_, out);
    if (groups_ != nullptr) co_await write_group_metrics(*groups_, *transactions_, *topics_, home_, out);
    if (cluster_ != nullptr) co_await cluster_->write_metrics(out);
  }
  (void)co_await exchange.respond(200, monitor::OpenMetrics::kContentType, out.finish());
}

Task<void> Node::answer_backup(net::http::Exchange& exchange) {
  if (state_ != State::kReady || runtime_->local_log() == nullptr) {
    (void)co_await exchange.respond(503, kPlain, "there is nothing to back up yet: " + why_not_ready() + "\n");
    co_return;
  }
  const std::string who = exchange.remote().text();
  log_info("server", "a backup begins", {{"client", who}});
  const Status sent = co_await send_backup(env_, *runtime_, *store_, topics_.get(), folder_->path(),
                                           std::string(kVersion), exchange, [this] { return state_ == State::kReady; });
  if (sent.ok()) {
    log_info("server", "a backup is done", {{"client", who}});
  } else {
    log_warn("server", "a backup failed", {{"client", who}, {"why", sent.error().message()}});
  }
}

Task<void> Node::answer_checkpoint(net::http::Exchange& exchange) {
  if (state_ != State::kReady) {
    (void)co_await exchange.respond(503, kPlain, why_not_ready() + "\n");
    co_return;
  }
  const Status done = co_await runtime_->checkpoint_all();
  if (done.ok()) {
    (void)co_await exchange.respond(200, kPlain, "done\n");
  } else {
    (void)co_await exchange.respond(500, kPlain, done.error().message() + "\n");
  }
}

std::string Node::ready_line() const {
  std::string line = "keelson " + std::string(kVersion) + " is ready:";
  const auto add = [&](std::string_view name, const std::vector<env::Address>& addresses) {
    if (!addresses.empty()) line.append(" ").append(name).append(" ").append(join(addresses, ",")).append(";");
  };
  add("kv", addresses_.kv);
  add("kv-tls", addresses_.kv_tls);
  add("s3", addresses_.s3);
  add("s3-tls", addresses_.s3_tls);
  add("etcd", addresses_.etcd);
  add("etcd-tls", addresses_.etcd_tls);
  add("kafka", addresses_.kafka);
  add("kafka-tls", addresses_.kafka_tls);
  add("pubsub", addresses_.pubsub);
  add("pubsub-tls", addresses_.pubsub_tls);
  add(http_tls_ != nullptr ? "https" : "http", addresses_.http);
  if (cluster_ != nullptr) {
    line.append(" peers ").append(cluster_->mesh().advertised()).append("; ").append(cluster_->text()).append(";");
  }
  return line.append(" data ").append(folder_->path());
}

std::string Node::ready_json(uint64_t process_id) const {
  std::string json = "{\"version\":\"" + std::string(kVersion) + "\",\"pid\":" + std::to_string(process_id);
  const auto add = [&](std::string_view name, std::string_view text) {
    json.append(",\"").append(name).append("\":\"");
    monitor::append_json(json, text);
    json.append("\"");
  };
  const auto add_addresses = [&](const std::string& name, const std::vector<env::Address>& addresses) {
    if (addresses.empty()) return;
    add(name, addresses.front().text());
    json.append(",\"").append(name).append("_all\":[");
    for (size_t i = 0; i < addresses.size(); ++i) {
      json.append(i == 0 ? "\"" : ",\"");
      monitor::append_json(json, addresses[i].text());
      json.append("\"");
    }
    json.append("]");
  };
  add_addresses("kv", addresses_.kv);
  add_addresses("kv_tls", addresses_.kv_tls);
  add_addresses("s3", addresses_.s3);
  add_addresses("s3_tls", addresses_.s3_tls);
  add_addresses("etcd", addresses_.etcd);
  add_addresses("etcd_tls", addresses_.etcd_tls);
  add_addresses("kafka", addresses_.kafka);
  add_addresses("kafka_tls", addresses_.kafka_tls);
  add_addresses("pubsub", addresses_.pubsub);
  add_addresses("pubsub_tls", addresses_.pubsub_tls);
  add_addresses("http", addresses_.http);
  if (cluster_ != nullptr) {
    add("cluster_listen", cluster_->mesh().advertised());
    add("cluster", cluster_->service().file().cluster);
    add("cluster_node", std::to_string(cluster_->service().file().node));
  }
  add("data_dir", folder_->path());
  add("node_id", folder_->node().id);
  return json.append("}\n");
}

}  // namespace keelson::server
