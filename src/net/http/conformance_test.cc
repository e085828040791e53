// What the server says to each kind of message, clause by clause, and that no request can be smuggled past it.
//
// The tables are the test: what is sent, and the statuses of the answers until the connection ends, "100" among them.
// HTTP/2's own clauses are in http2_test.cc.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "env/sim/sim.h"
#include "net/http/body_decoder.h"
#include "net/http/parser.h"
#include "net/http/server.h"

namespace keelson::net::http {
namespace {

using env::sim::kSecond;
using env::sim::World;

// Reads the body and says what it saw; remembers every target.
Task<void> answer(Exchange& exchange, std::vector<std::string>& targets) {
  targets.emplace_back(exchange.request().target());
  const std::string_view path = exchange.request().path();
  if (path == "/204" || path == "/304") {
    (void)co_await exchange.respond(path == "/204" ? 204 : 304, "", "");
    co_return;
  }
  if (path == "/unread") {
    (void)co_await exchange.respond(200, "text/plain", "unread");
    co_return;
  }
  Result<std::string> body = co_await exchange.read_all(1 << 20);
  if (!body.ok()) co_return;
  if (path == "/chunked") {
    exchange.add_trailer("Sum", std::to_string(body->size()));
    if (!co_await exchange.begin(200, "text/plain")) co_return;
    if (!co_await exchange.send("ch")) co_return;
    if (!co_await exchange.send("unked")) co_return;
    (void)co_await exchange.end();
    co_return;
  }
  std::string text(exchange.request().method());
  text.append(" ").append(path).append(" ").append(exchange.request().authority()).append(" ").append(*body);
  for (const Field& field : exchange.trailers()) text.append(" ").append(field.name).append("=").append(field.value);
  (void)co_await exchange.respond(200, "text/plain", text);
}

struct Answer {
  int status = 0;
  std::string head;
  std::string body;
};

// Takes the answers apart with the house's own parser for responses.
std::vector<Answer> take_apart(std::string_view bytes, const std::vector<std::string_view>& methods) {
  std::vector<Answer> answers;
  size_t request = 0;
  while (!bytes.empty()) {
    std::vector<Field> lines(100);
    ResponseHead head;
    const std::string_view method = request < methods.size() ? methods[request] : "GET";
    const HeadOutcome outcome = parse_response_head(bytes, Limits{}, lines, 0, method, head);
    if (outcome.size == 0) {
      answers.push_back({-1, std::string(bytes), ""});
      break;
    }
    Answer& answer = answers.emplace_back(head.status, std::string(bytes.substr(0, outcome.size)), "");
    bytes.remove_prefix(outcome.size);
    BodyDecoder decoder(head.framing, UINT64_MAX);
    while (!decoder.is_done() && !bytes.empty()) {
      const BodyDecoder::Piece piece = decoder.next(bytes);
      answer.body.append(piece.data);
      bytes.remove_prefix(piece.consumed);
      if (piece.fault) break;
    }
    if (head.status >= 200) ++request;
  }
  return answers;
}

class ConformanceTest : public testing::Test {
 protected:
  ConformanceTest() : world_(1), node_(world_.add_node()), machine_(world_.add_node()) {
    ServerOptions options;
    options.idle_timeout_ms = 2000;
    options.head_timeout_ms = 2000;
    options.body_timeout_ms = 2000;
    options.limits.body_bytes_max = 100'000;
    server_ = std::make_unique<Server>(node_.env().network(), node_.reactor(), options,
                                       [this](Exchange& exchange) { return answer(exchange, targets_); });
    world_.run_on(node_.reactor(), [&] { ASSERT_TRUE(server_->listen(node_.address(0), nullptr).ok()); });
  }
  ~ConformanceTest() override {
    world_.run_on(node_.reactor(), [&] { server_.reset(); });
  }

  static Task<std::string> talk(env::Env& env, env::Address to, std::string sends, bool ends) {
    auto stream = co_await env.network().connect(env.reactor(0), to);
    if (!stream.ok()) co_return "no connection";
    (void)co_await (*stream)->write(sends);
    if (ends) (*stream)->shutdown_write();
    std::string got;
    std::string into(1000, '\0');
    while (true) {
      const env::IoOutcome outcome = co_await (*stream)->read(into);
      if (!outcome.ok()) break;
      got.append(into, 0, outcome.count);
    }
    co_return got;
  }
  std::string raw(std::string_view sends, bool ends = false) {
    return world_.run(machine_.reactor(), talk(machine_.env(), server_->addresses().front(), std::string(sends), ends),
                      600 * kSecond);
  }

  World world_;
  env::sim::Node& node_;
  env::sim::Node& machine_;
  std::vector<std::string> targets_;
  std::unique_ptr<Server> server_;
};

struct Row {
  std::string_view clause;
  std::string_view what;
  std::string_view sends;
  std::string_view statuses;  // in order
  std::string_view holds;     // somewhere in the last answer, head or body; a leading "!" means that it must not
};

#define HOST "Host: h\r\n"

// RFC 9112 and what of RFC 9110 shows on the wire.
constexpr Row kRows[] = {
    // Messages and lines.
    {"9112 2.2", "one empty line before a request is passed over", "\r\nGET /a HTTP/1.1\r\n" HOST "\r\n", "200",
     "GET /a"},
    {"9112 2.2", "two are not", "\r\n\r\nGET /a HTTP/1.1\r\n" HOST "\r\n", "400", ""},
    {"9112 2.2", "a bare LF ends no line", "GET /a HTTP/1.1\nHost: h\n\n", "400", ""},
    {"9112 2.2", "a bare CR within a field", "GET /a HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", "400", ""},
    {"9112 2.2", "a blank between request line and first field", "GET /a HTTP/1.1\r\n X: a\r\n" HOST "\r\n", "400", ""},
    {"9112 2.3", "versions are case-sensitive", "GET /a http/1.1\r\n" HOST "\r\n", "400", ""},
    {"9112 2.3", "one digit each", "GET /a HTTP/1.10\r\n" HOST "\r\n", "400", ""},
    {"9110 2.5", "a higher minor version is served as ours", "GET /a HTTP/1.2\r\n" HOST "\r\n", "200", "HTTP/1.1 200"},
    {"9110 15.6.6", "another major version is not", "GET /a HTTP/2.0\r\n" HOST "\r\n", "505", ""},
    {"9110 15.6.6", "nor HTTP/0.9's", "GET /a HTTP/0.9\r\n" HOST "\r\n", "505", ""},
    // The request line.
    {"9112 3", "single blanks alone", "GET  /a HTTP/1.1\r\n" HOST "\r\n", "400", ""},
    {"9112 3", "no tabs", "GET\t/a HTTP/1.1\r\n" HOST "\r\n", "400", ""},
    {"9112 3", "nothing behind the version", "GET /a HTTP/1.1 \r\n" HOST "\r\n", "400", ""},
    {"9112 3", "a version there must be", "GET /a\r\n" HOST "\r\n", "400", ""},
    {"9112 3.1", "a method is a token", "G@T /a HTTP/1.1\r\n" HOST "\r\n", "400", ""},
    {"9110 9.1", "methods are case-sensitive, and any token is one", "get /a HTTP/1.1\r\n" HOST "\r\n", "200",
     "get /a"},
    {"9112 3.2.1", "origin form, escapes decoded", "GET /a%20b?q HTTP/1.1\r\n" HOST "\r\n", "200", "GET /a b h"},
    {"9112 3.2.2", "absolute form: its host counts, not the field's", "GET http://x:8/p HTTP/1.1\r\n" HOST "\r\n",
     "200", "GET /p x:8 "},
    {"9112 3.2.2", "absolute form without a path", "GET http://x HTTP/1.1\r\n" HOST "\r\n", "200", "GET / x "},
    {"9110 4.2.4", "no userinfo", "GET http://u@x/ HTTP/1.1\r\n" HOST "\r\n", "400", ""},
    {"9112 3.2.3", "authority form is CONNECT's, which is not served", "CONNECT h:80 HTTP/1.1\r\n" HOST "\r\n", "501",
     ""},
    {"9112 3.2.3", "and nobody else's", "GET h:80 HTTP/1.1\r\n" HOST "\r\n", "400", ""},
    {"9112 3.2.4", "asterisk form is OPTIONS'", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "200", "OPTIONS *"},
    {"9112 3.2.4", "and nobody else's", "GET * HTTP/1.1\r\n" HOST "\r\n", "400", ""},
    {"9110 4.1", "no fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", "400", ""},
    {"3986 2.1", "an escape has two hex digits", "GET /%4 HTTP/1.1\r\n" HOST "\r\n", "400", ""},
    {"3986 7.3", "no NUL by way of an escape", "GET /%00 HTTP/1.1\r\n" HOST "\r\n", "400", ""},
    // Host.
    {"9112 3.2", "HTTP/1.1 has a Host", "GET /a HTTP/1.1\r\n\r\n", "400", ""},
    {"9112 3.2", "one", "GET /a HTTP/1.1\r\n" HOST HOST "\r\n", "400", ""},
    {"9112 3.2", "a good one", "GET /a HTTP/1.1\r\nHost: a b\r\n\r\n", "400", ""},
    {"9112 3.2", "it may be empty", "GET /a HTTP/1.1\r\nHost:\r\n\r\n", "200", ""},
    {"9112 3.2", "HTTP/1.0 need not have one", "GET /a HTTP/1.0\r\n\r\n", "200", "Connection: close"},
    // Fields.
    {"9112 5.1", "no blank before the colon", "GET /a HTTP/1.1\r\n" HOST "X : a\r\n\r\n", "400", ""},
    {"9112 5.1", "blanks around a value do not belong to it", "GET /a HTTP/1.1\r\nHost: \t h \t\r\n\r\n", "200",
     "GET /a h "},
    {"9112 5.2", "no folding", "GET /a HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", "400", ""},
    {"9110 5.1", "a name is a token", "GET /a HTTP/1.1\r\n" HOST "X(: a\r\n\r\n", "400", ""},
    {"9110 5.1", "and not empty", "GET /a HTTP/1.1\r\n" HOST ": a\r\n\r\n", "400", ""},
    {"9110 5.5", "no control characters", "GET /a HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n", "400", ""},
    {"9110 5.5", "a tab and bytes from 0x80 on are good", "GET /a HTTP/1.1\r\n" HOST "X: a\tb\xff\r\n\r\n", "200", ""},
    {"9112 5", "a colon there must be", "GET /a HTTP/1.1\r\n" HOST "X\r\n\r\n", "400", ""},
    // Framing.
    {"9112 6.2", "Content-Length", "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", "200",
     "PUT /a h hello"},
    {"9112 6.3", "no length is no body", "PUT /a HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n" HOST "\r\n", "200 200",
     "GET /b"},
    {"9110 8.6", "digits alone", "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\nhello", "400", ""},
    {"9110 8.6", "no list", "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\nhello", "400", ""},
    {"9112 6.3", "not twice", "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "400",
     ""},
    {"9110 15.5.14", "not above the limit", "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 100001\r\n\r\n", "413", ""},
    {"9112 6.3", "not beside Transfer-Encoding",
     "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", ""},
    {"9112 6.1", "only chunked is known", "PUT /a HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", "501",
     ""},
    {"9112 6.1", "names of codings have no case",
     "PUT /a HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", "200", ""},
    {"9112 6.1", "none in HTTP/1.0", "PUT /a HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400",
     ""},
    {"9112 7.1", "chunks",
     "PUT /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "200",
     "PUT /a h hello"},
    {"9112 7.1", "sizes are hex digits",
     "PUT /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n", "400", ""},
    {"9112 7.1", "data end where the size says",
     "PUT /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n", "400", ""},
    {"9112 7.1.1", "extensions are passed over",
     "PUT /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5;a=\"b;\"\r\nhello\r\n0;c\r\n\r\n", "200", "hello"},
    {"9112 7.1.2", "trailers are handed out",
     "PUT /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nSum: 1\r\n\r\n", "200", "Sum=1"},
    {"9110 6.5.1", "trailers do not frame",
     "PUT /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 1\r\n\r\n", "400", ""},
    {"9112 8", "a body cut short is not acted on", "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel", "400",
     "!PUT"},
    // Connections.
    {"9112 9.3", "they persist", "GET /a HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n" HOST "\r\n", "200 200", "GET /b"},
    {"9112 9.3", "unless told otherwise",
     "GET /a HTTP/1.1\r\n" HOST "Connection: x, Close\r\n\r\nGET /b HTTP/1.1\r\n" HOST "\r\n", "200",
     "Connection: close"},
    {"9112 9.3", "HTTP/1.0 asks for it", "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
     "200 200", "Connection: close"},
    {"9112 9.3.2", "pipelined answers keep their order",
     "PUT /1 HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\naGET /chunked HTTP/1.1\r\n" HOST
     "\r\nPUT /3 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n\r\nGET /4 HTTP/1.1\r\n" HOST
     "\r\n",
     "200 200 200 200", "GET /4"},
    {"9112 9.3", "a body that nobody reads is passed over",
     "PUT /unread HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n" HOST "\r\n", "200 200",
     "GET /b"},
    {"9110 7.8", "an Upgrade that is not known is ignored",
     "GET /a HTTP/1.1\r\n" HOST
     "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
     "200", "!Upgrade"},
    // Methods and statuses.
    {"9110 9.3.2", "HEAD has GET's head and no content",
     "HEAD /a HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n" HOST "\r\n", "200 200", "GET /b"},
    {"9110 15.3.5", "204 has no content and no length", "GET /204 HTTP/1.1\r\n" HOST "\r\n", "204", "!Content-Length"},
    {"9110 15.4.5", "304 has no content", "GET /304 HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n" HOST "\r\n", "304 200",
     "GET /b"},
    {"9110 6.6.1", "answers are dated", "GET /a HTTP/1.1\r\n" HOST "\r\n", "200", "Date: "},
    {"9112 7.1", "chunks to HTTP/1.1", "GET /chunked HTTP/1.1\r\n" HOST "\r\n", "200", "Transfer-Encoding: chunked"},
    {"9112 6.1", "none to HTTP/1.0", "GET /chunked HTTP/1.0\r\n\r\n", "200", "!Transfer-Encoding"},
    {"9110 10.1.1", "100 to whoever waits",
     "PUT /a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 0005\r\n\r\n", "100", ""},
    {"9110 10.1.1", "without a body as well (it may be left out; botocore wants it)",
     "GET /a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n", "100 200", ""},
    {"9110 10.1.1", "nor to HTTP/1.0", "PUT /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", "200",
     ""},
    {"9110 10.1.1", "and the connection ends if nobody wanted the body",
     "PUT /unread HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nGET /b HTTP/1.1\r\n" HOST "\r\n",
     "200", "Connection: close"},
    {"9110 10.1.1", "other expectations", "GET /a HTTP/1.1\r\n" HOST "Expect: gold\r\n\r\n", "417", ""},
};

TEST_F(ConformanceTest, EveryClauseIsKept) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(std::string(row.clause) + ": " + std::string(row.what));
    std::vector<std::string_view> methods;
    if (row.sends.starts_with("HEAD")) methods = {"HEAD"};
    // A sender that has said everything, or one that stays: the answers are the same.
    const bool ends = row.clause == "9112 8";
    const std::vector<Answer> answers = take_apart(raw(row.sends, ends), methods);
    std::string statuses;
    for (const Answer& one : answers) statuses += (statuses.empty() ? "" : " ") + std::to_string(one.status);
    EXPECT_EQ(statuses, row.statuses);
    if (answers.empty() || row.holds.empty()) continue;
    const std::string last = answers.back().head + answers.back().body;
    if (row.holds.front() == '!') {
      EXPECT_EQ(last.find(row.holds.substr(1)), std::string::npos) << last;
    } else {
      EXPECT_NE(last.find(row.holds), std::string::npos) << last;
    }
  }
}

// Requests of which some parser might take the end for another request. Each is refused, with the connection, and no
// handler ever hears of the second.
#define SMUGGLED "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: h\r\n"
constexpr std::string_view kSmuggling[] = {
    // CL.TE and TE.CL, in every disguise of either name.
    POST "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "content-length: 6\r\ntransfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\v\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding:\vchunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chun\xc4\xb1ked\r\n\r\n0\r\n\r\n" SMUGGLED,
    "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n" SMUGGLED,
    // CL.CL.
    POST "Content-Length: 0\r\nContent-Length: 44\r\n\r\n" SMUGGLED,
    POST "Content-Length: 44\r\nContent-Length: 0\r\n\r\n" SMUGGLED,
    POST "Content-Length: 0, 44\r\n\r\n" SMUGGLED,
    POST "Content-Length: 0,0\r\n\r\n" SMUGGLED,
    POST "Content-Length: +0\r\n\r\n" SMUGGLED,
    POST "Content-Length: -0\r\n\r\n" SMUGGLED,
    POST "Content-Length: 0x0\r\n\r\n" SMUGGLED,
    POST "Content-Length: 0_0\r\n\r\n" SMUGGLED,
    POST "Content-Length: 0 0\r\n\r\n" SMUGGLED,
    POST "Content-Length: 0;a\r\n\r\n" SMUGGLED,
    POST "Content-Length: 0.0\r\n\r\n" SMUGGLED,
    POST "Content-Length:\r\n\r\n" SMUGGLED,
    POST "Content-Length: \"0\"\r\n\r\n" SMUGGLED,
    POST "Content-Length: \xd9\xa0\r\n\r\n" SMUGGLED,
    POST "Content-Length: 18446744073709551616\r\n\r\n" SMUGGLED,
    POST "Content-Length: 99999999999999999999999\r\n\r\n" SMUGGLED,
    POST "Content-Length : 0\r\n\r\n" SMUGGLED,
    POST "Content-Length\r\n: 0\r\n\r\n" SMUGGLED,
    // Chunks.
    POST "Transfer-Encoding: chunked\r\n\r\n0\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n0\r\n\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n0\n\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n0 \r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n 0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n0_0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n;\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n1\r\na0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n1\r\na\r0\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n0;\n\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n0;a=\"\r\n\r\n\"\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n0;\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n0;\rx\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n0\rx\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 44\r\n\r\n" SMUGGLED,
    POST "Transfer-Encoding: chunked\r\n\r\n0\r\nHost: other\r\n\r\n" SMUGGLED,
    // Lines, names and hosts.
    "GET / HTTP/1.1\r\nHost: h\r\n\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: h\n\r\n" SMUGGLED,
    "GET / HTTP/1.1\rHost: h\r\n\r\n" SMUGGLED,
    "GET / HTTP/1.1\r\nHost: h\r\r\n\r\n" SMUGGLED,
    "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\r\n\r\n" SMUGGLED,
    "GET / HTTP/1.1\r\nHost: h\r\nX\r\nY: a\r\n\r\n" SMUGGLED,
    "GET / HTTP/1.1\r\nHost: h\r\nHost: other\r\n\r\n" SMUGGLED,
    "GET / HTTP/1.1\r\nHost: h, other\r\nHost: h\r\n\r\n" SMUGGLED,
    "GET / HTTP/1.1\r\nHost: h@other\r\n\r\n" SMUGGLED,
    "GET / HTTP/1.1\r\nHost: h/other\r\n\r\n" SMUGGLED,
    "GET / HTTP/1.1\r\nHost : h\r\n\r\n" SMUGGLED,
    "GET / HTTP/1.1\r\nX-Y Z: a\r\nHost: h\r\n\r\n" SMUGGLED,
    "GET / HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n" SMUGGLED,
    "GET / HTTP/1.1\r\nHost: h\r\n\tX: a\r\n\r\n" SMUGGLED,
    "GET /\r\nHost: h\r\n\r\n" SMUGGLED,
    "GET / HTTP/1.1 HTTP/1.1\r\nHost: h\r\n\r\n" SMUGGLED,
    "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n" SMUGGLED,
    "GET /\x7f HTTP/1.1\r\nHost: h\r\n\r\n" SMUGGLED,
    "GET /\xc0\xae HTTP/1.1\r\nHost: h\r\n\r\n" SMUGGLED,
    "GET\v/ HTTP/1.1\r\nHost: h\r\n\r\n" SMUGGLED,
    "GET / HTTP/1.1\v\r\nHost: h\r\n\r\n" SMUGGLED,
    "GET / HTTP/1.1\r\n\r\nHost: h\r\n\r\n" SMUGGLED,
    "GET http://other:80x/ HTTP/1.1\r\nHost: h\r\n\r\n" SMUGGLED,
    "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n" SMUGGLED,
    "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n" SMUGGLED,
};

TEST_F(ConformanceTest, NothingIsSmuggled) {
  std::vector<std::string> all(std::begin(kSmuggling), std::end(kSmuggling));
  // NULs, which literals end with.
  all.push_back(std::string(POST "X: a") + '\0' + "b\r\n\r\n" + SMUGGLED);
  all.push_back(std::string(POST "Transfer-Encoding") + '\0' + ": chunked\r\n\r\n0\r\n\r\n" + SMUGGLED);
  all.push_back(std::string(POST "Content-Length: 0") + '\0' + "\r\n\r\n" + SMUGGLED);
  for (const std::string& attempt : all) {
    SCOPED_TRACE(attempt);
    for (bool ends : {true, false}) {
      const std::vector<Answer> answers = take_apart(raw(attempt, ends), {});
      ASSERT_EQ(answers.size(), 1u);
      EXPECT_GE(answers[0].status, 400);
      EXPECT_NE(answers[0].head.find("Connection: close"), std::string::npos);
    }
  }
  for (const std::string& target : targets_) EXPECT_NE(target, "/smuggled");
}

}  // namespace
}  // namespace keelson::net::http
