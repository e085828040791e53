#include <gtest/gtest.h>

#include <string>

#include "env/disk.h"
#include "env/network.h"

namespace keelson::env {
namespace {

TEST(Address, ParsesWhatItPrints) {
  for (const char* text :
       {"127.0.0.1:6379", "0.0.0.0:0", "[::1]:80", "[2001:db8::8:800:200c:417a]:65535", "[::]:1", "[fe80::1%eth0]:5",
        "[::ffff:1.2.3.4]:5", "[1:2:3:4:5:6:7:8]:9", "unix:/run/keelson.sock", ":7"}) {
    const Result<Address> address = Address::parse(text);
    ASSERT_TRUE(address.ok()) << text;
    EXPECT_EQ(address->text(), text);
  }
  EXPECT_EQ(Address::parse("localhost:5")->host, "127.0.0.1");
  EXPECT_EQ(Address::parse("*:5")->host, "");
  EXPECT_EQ(Address::parse("[::1]:80")->host, "::1");
  EXPECT_EQ(Address::parse("unix:/a")->unix_path, "/a");
}

TEST(Address, RefusesTheRestAndSaysWhy) {
  for (const char* text : {"",
                           "127.0.0.1",
                           "127.0.0.1:",
                           "127.0.0.1:65536",
                           "127.0.0.1:-1",
                           "127.0.0.1:1x",
                           "256.0.0.1:1",
                           "1.2.3:1",
                           "1.2.3.4.5:1",
                           "1..3.4:1",
                           "example.com:80",
                           "::1:80",
                           "[::1]",
                           "[::1:80",
                           "[1::2::3]:1",
                           "[1:2:3:4:5:6:7]:1",
                           "[1:2:3:4:5:6:7:8:9]:1",
                           "[12345::]:1",
                           "[::g]:1",
                           "[::1%]:1",
                           "[1:]:1",
                           "unix:"}) {
    const Result<Address> address = Address::parse(text);
    EXPECT_FALSE(address.ok()) << text;
    if (!address.ok()) {
      EXPECT_EQ(address.error().code(), NetErrc::kInvalid);
      EXPECT_NE(address.error().message().find(text), std::string::npos);
    }
  }
  EXPECT_FALSE(Address::parse("unix:" + std::string(200, 'p')).ok());
}

TEST(Address, KnowsLoopback) {
  for (const char* text : {"127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "localhost:1", "unix:/s"}) {
    EXPECT_TRUE(Address::parse(text)->is_loopback()) << text;
  }
  for (const char* text : {":1", "0.0.0.0:1", "10.0.0.1:1", "[::]:1"})
    EXPECT_FALSE(Address::parse(text)->is_loopback());
}

TEST(Errors, EveryCodeHasItsTextAndModulesDoNotClash) {
  for (int code = 0; code <= static_cast<int>(NetErrc::kInvalid); ++code) {
    EXPECT_NE(make_error_code(static_cast<NetErrc>(code)).message(), "unknown error");
  }
  for (int code = 0; code <= static_cast<int>(DiskErrc::kInvalid); ++code) {
    EXPECT_NE(make_error_code(static_cast<DiskErrc>(code)).message(), "unknown error");
  }
  EXPECT_NE(make_error_code(NetErrc::kEof), make_error_code(DiskErrc::kNotFound));
}

}  // namespace
}  // namespace keelson::env
