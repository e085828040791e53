#include "net/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/check.h"
#include "env/reactor.h"

namespace keelson::net {

namespace {

// Plain text encrypted in one go by write(): a few records (a record holds at most 16 KiB, RFC 8446 §5.1).
constexpr size_t kEncryptBytesMax = 64 << 10;
// A record of plain text with its overhead fits, so one read of the inner stream usually brings a whole record.
constexpr size_t kReadBytes = (16 << 10) + 512;
// PEM files: a certificate chain is a few KiB, a CA bundle of a machine about 200 KiB.
constexpr uint64_t kPemBytesMax = 4 << 20;

class TlsCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "tls"; }
  std::string message(int code) const override {
    switch (static_cast<TlsErrc>(code)) {
      case TlsErrc::kOk:
        return "ok";
      case TlsErrc::kBadFile:
        return "a TLS file cannot be used";
      case TlsErrc::kMismatch:
        return "the key does not belong to the certificate";
      case TlsErrc::kBadOption:
        return "a TLS setting cannot be used";
      case TlsErrc::kInternal:
        return "OpenSSL failed";
    }
    return "unknown";
  }
};

// The oldest error of this thread's OpenSSL queue, which names the cause; the queue is emptied.
std::string openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no further detail";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "OpenSSL error " + std::to_string(code);
}

struct Free {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

Result<std::string> read_pem(env::Disk& disk, const std::string& path, std::string_view what) {
  Result<std::string> text = env::read_file(disk, path, kPemBytesMax);
  if (!text.ok()) {
    return fail(TlsErrc::kBadFile, "tls: cannot read the " + std::string(what) + ": " + text.error().message());
  }
  return text;
}

Owned<BIO> memory_of(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// A passphrase is never asked for on a terminal: a key that has one is refused.
int no_passphrase(char*, int, int, void*) { return 0; }

Status use_certificate(SSL_CTX* context, env::Disk& disk, const std::string& path) {
  Result<std::string> text = read_pem(disk, path, "certificate");
  if (!text.ok()) return forward_error(text);
  Owned<BIO> bio = memory_of(*text);
  Owned<X509> leaf(PEM_read_bio_X509_AUX(bio.get(), nullptr, &no_passphrase, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return fail(TlsErrc::kBadFile, "tls: " + path + " holds no usable PEM certificate: " + openssl_error());
  }
  SSL_CTX_clear_chain_certs(context);
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, &no_passphrase, nullptr)) {
    if (SSL_CTX_add0_chain_cert(context, next) != 1) {
      X509_free(next);
      return fail(TlsErrc::kBadFile, "tls: a chain certificate in " + path + " cannot be used: " + openssl_error());
    }
  }
  ERR_clear_error();  // the end of the file
  return {};
}

Status use_key(SSL_CTX* context, env::Disk& disk, const std::string& path, const std::string& certificate_path) {
  Result<std::string> text = read_pem(disk, path, "private key");
  if (!text.ok()) return forward_error(text);
  Owned<BIO> bio = memory_of(*text);
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &no_passphrase, nullptr));
  OPENSSL_cleanse(text->data(), text->size());
  if (!key) {
    return fail(
        TlsErrc::kBadFile,
        "tls: " + path + " holds no usable PEM private key (one with a passphrase cannot be used): " + openssl_error());
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return fail(TlsErrc::kMismatch, "tls: the key in " + path + " does not belong to the certificate in " +
                                        certificate_path + ": " + openssl_error());
  }
  return {};
}

Status use_ca(SSL_CTX* context, env::Disk& disk, const std::string& path, bool is_server) {
  Result<std::string> text = read_pem(disk, path, "CA certificates");
  if (!text.ok()) return forward_error(text);
  Owned<BIO> bio = memory_of(*text);
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  size_t count = 0;
  while (true) {
    Owned<X509> certificate(PEM_read_bio_X509(bio.get(), nullptr, &no_passphrase, nullptr));
    if (!certificate) break;
    if (X509_STORE_add_cert(store, certificate.get()) != 1 ||
        (is_server && SSL_CTX_add_client_CA(context, certificate.get()) != 1)) {
      return fail(TlsErrc::kBadFile, "tls: a CA certificate in " + path + " cannot be used: " + openssl_error());
    }
    ++count;
  }
  ERR_clear_error();
  if (count == 0) return fail(TlsErrc::kBadFile, "tls: " + path + " holds no PEM certificate");
  return {};
}

Result<Owned<SSL_CTX>> new_context(bool is_server) {
  ERR_clear_error();
  Owned<SSL_CTX> context(SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method()));
  if (!context) return fail(TlsErrc::kInternal, "tls: cannot make a context: " + openssl_error());
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_default_passwd_cb(context.get(), &no_passphrase);
  return context;
}

Status use_protocol(SSL_CTX* context, const TlsServerOptions& options) {
  if (options.protocol_min != "1.2" && options.protocol_min != "1.3") {
    return fail(TlsErrc::kBadOption, "tls: the oldest protocol can be 1.2 or 1.3, not " + options.protocol_min);
  }
  SSL_CTX_set_min_proto_version(context, options.protocol_min == "1.3" ? TLS1_3_VERSION : TLS1_2_VERSION);
  if (!options.ciphers.empty() && SSL_CTX_set_cipher_list(context, options.ciphers.c_str()) != 1) {
    return fail(TlsErrc::kBadOption, "tls: no usable cipher in \"" + options.ciphers + "\": " + openssl_error());
  }
  if (!options.cipher_suites.empty() && SSL_CTX_set_ciphersuites(context, options.cipher_suites.c_str()) != 1) {
    return fail(TlsErrc::kBadOption,
                "tls: no usable cipher suite in \"" + options.cipher_suites + "\": " + openssl_error());
  }
  return {};
}

// RFC 7301 §3.1: each name behind a byte that tells its length.
std::string alpn_wire(std::span<const std::string_view> protocols) {
  std::string wire;
  for (std::string_view name : protocols) wire.append(1, static_cast<char>(name.size())).append(name);
  return wire;
}

// The server's pick. The wish of the stream is its app data; null if it has none.
int select_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                unsigned int offered_size, void* /*unused*/) {
  const auto* wanted = static_cast<const std::string*>(SSL_get_app_data(ssl));
  if (wanted == nullptr || wanted->empty()) return SSL_TLSEXT_ERR_NOACK;
  unsigned char* picked = nullptr;
  const int found = SSL_select_next_proto(&picked, out_size, reinterpret_cast<const unsigned char*>(wanted->data()),
                                          static_cast<unsigned>(wanted->size()), offered, offered_size);
  *out = picked;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

Result<Owned<SSL_CTX>> make_server_context(env::Disk& disk, const TlsServerOptions& options) {
  Result<Owned<SSL_CTX>> made = new_context(true);
  if (!made.ok()) return made;
  SSL_CTX* context = made->get();
  if (Status done = use_protocol(context, options); !done.ok()) return forward_error(done);
  if (Status done = use_certificate(context, disk, options.certificate_file); !done.ok()) return forward_error(done);
  if (Status done = use_key(context, disk, options.key_file, options.certificate_file); !done.ok())
    return forward_error(done);
  SSL_CTX_set_alpn_select_cb(context, select_alpn, nullptr);
  if (options.client_certificate != ClientCertificate::kNone) {
    if (options.ca_file.empty()) {
      return fail(TlsErrc::kBadOption,
                  "tls: client certificates are asked for, but no CA file says which ones are good");
    }
    if (Status done = use_ca(context, disk, options.ca_file, true); !done.ok()) return forward_error(done);
    int mode = SSL_VERIFY_PEER;
    if (options.client_certificate == ClientCertificate::kRequired) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context, mode, nullptr);
    constexpr unsigned char kSessionContext[] = "keelson";
    SSL_CTX_set_session_id_context(context, kSessionContext, sizeof(kSessionContext) - 1);
  }
  return made;
}

Result<Owned<SSL_CTX>> make_client_context(env::Disk& disk, const TlsClientOptions& options) {
  Result<Owned<SSL_CTX>> made = new_context(false);
  if (!made.ok()) return made;
  SSL_CTX* context = made->get();
  if (!options.certificate_file.empty()) {
    if (Status done = use_certificate(context, disk, options.certificate_file); !done.ok()) return forward_error(done);
    if (Status done = use_key(context, disk, options.key_file, options.certificate_file); !done.ok())
      return forward_error(done);
  }
  if (!options.ca_file.empty()) {
    if (Status done = use_ca(context, disk, options.ca_file, false); !done.ok()) return forward_error(done);
  } else if (SSL_CTX_set_default_verify_paths(context) != 1) {
    return fail(TlsErrc::kInternal, "tls: cannot use the machine's CA certificates: " + openssl_error());
  }
  SSL_CTX_set_verify(context, options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  return made;
}

// One connection. Two coroutines move bytes: the reader runs while somebody waits for input, the writer while there is
// ciphertext to send. Neither resumes an operation from within itself (the operation's owner may destroy this stream,
// and the coroutine with it): a timer that is due at once does.
class TlsStream final : public env::Stream {
 public:
  TlsStream(Owned<SSL> ssl, std::unique_ptr<env::Stream> inner, uint32_t handshake_timeout_ms, std::string protocols)
      : ssl_(std::move(ssl)),
        inner_(std::move(inner)),
        protocols_(std::move(protocols)),
        from_network_(BIO_new(BIO_s_mem())),
        to_network_(BIO_new(BIO_s_mem())),
        read_ready_(inner_->reactor(), [this] { resume_read(); }),
        write_ready_(inner_->reactor(), [this] { resume_write(); }),
        handshake_late_(inner_->reactor(), [this] { give_up_handshake(); }),
        tasks_(inner_->reactor()) {
    BIO_set_mem_eof_return(from_network_, -1);
    SSL_set_bio(ssl_.get(), from_network_, to_network_);  // takes both
    SSL_set_app_data(ssl_.get(), &protocols_);
    handshake_late_.arm_after(int64_t{handshake_timeout_ms} * 1'000'000);
  }

  env::IoOutcome try_write(std::string_view from) override {
    if (failure_) return {*failure_, 0};
    if (!is_handshake_done_ || is_writing_ || is_shut_down_) return {};
    size_t taken = 0;
    while (taken < from.size() && backlog_.empty()) {
      const size_t part = std::min(from.size() - taken, kEncryptBytesMax);
      const size_t encrypted = encrypt(from.substr(taken, part));
      if (encrypted == 0) break;
      taken += encrypted;
      if (!send_backlog_now()) return {*failure_, 0};
    }
    if (!backlog_.empty()) start_writer();
    return {env::NetErrc::kOk, taken};
  }

  void shutdown_write() override {
    if (failure_ || is_shut_down_) return;
    is_shut_down_ = true;
    if (is_handshake_done_ && write_operation_ == nullptr) SSL_shutdown(ssl_.get());
    start_writer();
  }

  void close() override {
    handshake_late_.disarm();
    set_failure(env::NetErrc::kClosed);
    inner_->close();
  }

  void set_keepalive(uint32_t idle_s) override { inner_->set_keepalive(idle_s); }
  const env::Address& remote() const override { return inner_->remote(); }
  const env::Address& local() const override { return inner_->local(); }
  env::Reactor& reactor() override { return inner_->reactor(); }
  const std::string& failure_text() const { return failure_text_; }
  TlsDetails details() const {
    if (!is_handshake_done_) return {};
    const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_.get());
    return {SSL_get_version(ssl_.get()), cipher == nullptr ? std::string_view() : SSL_CIPHER_get_name(cipher)};
  }

  std::string_view protocol() const {
    const unsigned char* name = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }

 protected:
  bool start_read(env::IoOperation& operation) override {
    KEELSON_CHECK(read_operation_ == nullptr, "two reads of one stream at a time");
    read_operation_ = &operation;
    operation.pending = true;
    is_starting_read_ = true;
    advance();
    if (!read_outcome_) start_reader();
    is_starting_read_ = false;
    if (!read_outcome_) return false;
    finish(read_operation_, read_outcome_);
    return true;
  }

  bool start_write(env::IoOperation& operation) override {
    KEELSON_CHECK(write_operation_ == nullptr, "two writes of one stream at a time");
    write_operation_ = &operation;
    written_ = 0;
    operation.pending = true;
    is_starting_write_ = true;
    advance();
    if (!write_outcome_) start_writer();
    if (!write_outcome_ && !is_handshake_done_) start_reader();
    is_starting_write_ = false;
    if (!write_outcome_) return false;
    finish(write_operation_, write_outcome_);
    return true;
  }

  void cancel(env::IoOperation& operation) override {
    if (read_operation_ == &operation) {
      read_operation_ = nullptr;
      read_outcome_.reset();
      read_ready_.disarm();
    }
    if (write_operation_ == &operation) {
      write_operation_ = nullptr;
      write_outcome_.reset();
      write_ready_.disarm();
    }
  }

 private:
  static void finish(env::IoOperation*& operation, std::optional<env::IoOutcome>& outcome) {
    std::exchange(operation, nullptr)->finish(outcome->error, outcome->count);
    outcome.reset();
  }

  void resume_read() {
    env::IoOperation* operation = read_operation_;
    if (operation == nullptr || !read_outcome_) return;
    finish(read_operation_, read_outcome_);
    operation->resume();  // may destroy this stream
  }

  void resume_write() {
    env::IoOperation* operation = write_operation_;
    if (operation == nullptr || !write_outcome_) return;
    finish(write_operation_, write_outcome_);
    operation->resume();  // may destroy this stream
  }

  void complete_read(env::NetErrc error, size_t count) {
    if (read_operation_ == nullptr || read_outcome_) return;
    read_outcome_ = env::IoOutcome{error, count};
    if (!is_starting_read_) read_ready_.arm_after(0);
  }

  void complete_write(env::NetErrc error, size_t count) {
    if (write_operation_ == nullptr || write_outcome_) return;
    write_outcome_ = env::IoOutcome{error, count};
    if (!is_starting_write_) write_ready_.arm_after(0);
  }

  void set_failure(env::NetErrc error) {
    if (!failure_) failure_ = error;
    complete_read(*failure_, 0);
    complete_write(*failure_, 0);
  }

  void give_up_handshake() {
    if (is_handshake_done_) return;
    failure_text_ = "the TLS handshake took too long";
    set_failure(env::NetErrc::kTimedOut);
    inner_->close();
  }

  // What OpenSSL says is wrong; the alert it made is still sent.
  void fail_tls() {
    const long verified = SSL_get_verify_result(ssl_.get());
    failure_text_ = openssl_error();
    if (verified != X509_V_OK) failure_text_ += std::string(": ") + X509_verify_cert_error_string(verified);
    collect();
    start_writer();
    set_failure(env::NetErrc::kReset);
  }

  // Does whatever the bytes at hand allow: the handshake, then the waiting read; sends what OpenSSL has to say.
  void advance() {
    if (failure_) {
      set_failure(*failure_);
      return;
    }
    ERR_clear_error();
    if (!is_handshake_done_ && !shake_hands()) return;
    if (read_operation_ != nullptr && !read_outcome_) decrypt();
    collect();
    if (!backlog_.empty() || write_operation_ != nullptr) start_writer();
  }

  // True when the handshake is through.
  bool shake_hands() {
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) {
      is_handshake_done_ = true;
      handshake_late_.disarm();
      if (is_shut_down_ && write_operation_ == nullptr) SSL_shutdown(ssl_.get());
      return true;
    }
    if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) {
      fail_tls();
      return false;
    }
    collect();
    if (!backlog_.empty()) start_writer();
    if (is_input_over_) set_failure(env::NetErrc::kReset);
    return false;
  }

  void decrypt() {
    size_t count = 0;
    const std::span<char> into = read_operation_->into;
    if (SSL_read_ex(ssl_.get(), into.data(), into.size(), &count) == 1) {
      complete_read(env::NetErrc::kOk, count);
      return;
    }
    switch (SSL_get_error(ssl_.get(), 0)) {
      case SSL_ERROR_ZERO_RETURN:
        complete_read(env::NetErrc::kEof, 0);
        return;
      case SSL_ERROR_WANT_READ:
        if (is_input_over_) complete_read(env::NetErrc::kReset, 0);
        return;
      default:
        fail_tls();
        return;
    }
  }

  // Plain text to ciphertext in the backlog; the count of plain bytes taken, 0 after an error.
  size_t encrypt(std::string_view plain) {
    ERR_clear_error();
    size_t total = 0;
    while (total < plain.size()) {
      size_t count = 0;
      if (SSL_write_ex(ssl_.get(), plain.data() + total, plain.size() - total, &count) != 1) {
        fail_tls();
        return 0;
      }
      total += count;
    }
    collect();
    return total;
  }

  // Moves what OpenSSL wants sent into the backlog.
  void collect() {
    const size_t waiting = BIO_ctrl_pending(to_network_);
    if (waiting == 0) return;
    const int count = BIO_read(to_network_, backlog_.reserve(waiting), static_cast<int>(waiting));
    if (count > 0) backlog_.commit(static_cast<size_t>(count));
  }

  // Without waiting, as far as it goes; false after an error. Not while the writer runs.
  bool send_backlog_now() {
    const env::IoOutcome sent = inner_->try_write(backlog_.view());
    if (!sent.ok()) {
      set_failure(sent.error);
      return false;
    }
    backlog_.consume(sent.count);
    return true;
  }

  void start_reader() {
    if (is_reading_ || !wants_input()) return;
    is_reading_ = true;
    tasks_.spawn(run_reader());
  }

  [[nodiscard]] bool wants_input() const {
    if (failure_ || is_input_over_) return false;
    return (read_operation_ != nullptr && !read_outcome_) || (write_operation_ != nullptr && !is_handshake_done_);
  }

  Task<void> run_reader() {
    std::vector<char> bytes(kReadBytes);
    while (wants_input()) {
      const env::IoOutcome got = co_await inner_->read(bytes);
      if (got.ok()) {
        const int fed = BIO_write(from_network_, bytes.data(), static_cast<int>(got.count));
        KEELSON_CHECK(fed == static_cast<int>(got.count), "a memory BIO takes everything");
      } else if (got.error == env::NetErrc::kEof) {
        is_input_over_ = true;
      } else {
        set_failure(got.error);
        break;
      }
      advance();
    }
    is_reading_ = false;
  }

  void start_writer() {
    if (is_writing_) return;
    const bool has_plain = write_operation_ != nullptr && !write_outcome_ && is_handshake_done_;
    if (backlog_.empty() && !has_plain && !is_shut_down_) return;
    is_writing_ = true;
    tasks_.spawn(run_writer());
  }

  Task<void> run_writer() {
    while (true) {
      collect();
      if (backlog_.empty() && !encrypt_next_part()) break;
      Buffer sending;
      sending.swap(backlog_);
      const env::IoOutcome sent = co_await inner_->write(sending.view());
      if (!sent.ok()) {
        set_failure(sent.error);
        break;
      }
      if (backlog_.empty()) {  // keep the memory
        sending.clear();
        backlog_.swap(sending);
      }
    }
    is_writing_ = false;
    if (is_shut_down_ && !failure_ && write_operation_ == nullptr) inner_->shutdown_write();
  }

  // Everything encrypted is sent: goes on with the waiting write, or ends it. True if there is more to send.
  bool encrypt_next_part() {
    if (failure_ || write_operation_ == nullptr || write_outcome_ || !is_handshake_done_) return false;
    const std::string_view left = write_operation_->from.substr(written_);
    if (left.empty()) {
      const size_t total = written_;
      complete_write(env::NetErrc::kOk, total);
      if (is_shut_down_) SSL_shutdown(ssl_.get());
      collect();
      return !backlog_.empty();
    }
    written_ += encrypt(left.substr(0, kEncryptBytesMax));
    return !backlog_.empty();
  }

  Owned<SSL> ssl_;
  std::unique_ptr<env::Stream> inner_;
  const std::string protocols_;  // ALPN, as on the wire
  BIO* from_network_;            // owned by ssl_
  BIO* to_network_;
  bool is_handshake_done_ = false;
  bool is_input_over_ = false;  // the inner stream has ended
  bool is_shut_down_ = false;
  bool is_reading_ = false;
  bool is_writing_ = false;
  bool is_starting_read_ = false;
  bool is_starting_write_ = false;
  std::optional<env::NetErrc> failure_;
  std::string failure_text_;
  Buffer backlog_;  // ciphertext, not yet handed to the inner stream
  env::IoOperation* read_operation_ = nullptr;
  env::IoOperation* write_operation_ = nullptr;
  size_t written_ = 0;  // plain bytes of write_operation_ that are encrypted
  std::optional<env::IoOutcome> read_outcome_;
  std::optional<env::IoOutcome> write_outcome_;
  env::Timer read_ready_;
  env::Timer write_ready_;
  env::Timer handshake_late_;
  env::TaskScope tasks_;  // last: its coroutines use the rest
};

}  // namespace

std::error_code make_error_code(TlsErrc code) {
  static const TlsCategory category;
  return {static_cast<int>(code), category};
}

struct TlsContext::State {
  bool is_server = false;
  TlsServerOptions server;
  TlsClientOptions client;
  // tidy: shared_ptr, because reload() swaps it while other threads make streams of it.
  std::atomic<std::shared_ptr<SSL_CTX>> context;
};

TlsContext::TlsContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsContext::~TlsContext() = default;

Result<std::unique_ptr<TlsContext>> TlsContext::server(env::Disk& disk, const TlsServerOptions& options) {
  auto state = std::make_unique<State>();
  state->is_server = true;
  state->server = options;
  // tidy: naked new, because the constructor is private.
  std::unique_ptr<TlsContext> made(new TlsContext(std::move(state)));
  if (Status done = made->reload(disk); !done.ok()) return forward_error(done);
  return made;
}

Result<std::unique_ptr<TlsContext>> TlsContext::client(env::Disk& disk, const TlsClientOptions& options) {
  auto state = std::make_unique<State>();
  state->client = options;
  // tidy: naked new, because the constructor is private.
  std::unique_ptr<TlsContext> made(new TlsContext(std::move(state)));
  if (Status done = made->reload(disk); !done.ok()) return forward_error(done);
  return made;
}

Status TlsContext::reload(env::Disk& disk) {
  Result<Owned<SSL_CTX>> made =
      state_->is_server ? make_server_context(disk, state_->server) : make_client_context(disk, state_->client);
  if (!made.ok()) return forward_error(made);
  state_->context.store(std::move(*made));
  return {};
}

std::unique_ptr<env::Stream> TlsContext::wrap(std::unique_ptr<env::Stream> inner, std::string_view server_name,
                                              std::span<const std::string_view> protocols) {
  std::string wire = alpn_wire(protocols);
  Owned<SSL> ssl(SSL_new(state_->context.load().get()));  // keeps the context alive
  KEELSON_CHECK(ssl, "SSL_new fails only without memory");
  if (state_->is_server) {
    SSL_set_accept_state(ssl.get());
    return std::make_unique<TlsStream>(std::move(ssl), std::move(inner), state_->server.handshake_timeout_ms,
                                       std::move(wire));
  }
  SSL_set_connect_state(ssl.get());
  if (!wire.empty()) {
    SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(wire.data()),
                        static_cast<unsigned>(wire.size()));
  }
  if (!server_name.empty()) {
    const std::string name(server_name);
    X509_VERIFY_PARAM* wanted = SSL_get0_param(ssl.get());
    if (X509_VERIFY_PARAM_set1_ip_asc(wanted, name.c_str()) != 1) {
      SSL_set1_host(ssl.get(), name.c_str());
      SSL_set_tlsext_host_name(ssl.get(), name.c_str());
    }
    ERR_clear_error();
  }
  return std::make_unique<TlsStream>(std::move(ssl), std::move(inner), state_->client.handshake_timeout_ms,
                                     std::move(wire));
}

std::string_view TlsContext::protocol_of(const env::Stream& stream) {
  const auto* tls = dynamic_cast<const TlsStream*>(&stream);
  return tls != nullptr ? tls->protocol() : std::string_view();
}

TlsDetails TlsContext::details_of(const env::Stream& stream) {
  const auto* tls = dynamic_cast<const TlsStream*>(&stream);
  return tls != nullptr ? tls->details() : TlsDetails();
}

std::string TlsContext::failure_of(const env::Stream& stream) {
  const auto* tls = dynamic_cast<const TlsStream*>(&stream);
  return tls != nullptr ? tls->failure_text() : std::string();
}

}  // namespace keelson::net
