// etcd's API as JSON (grpc-gateway's form of it), and what else etcd answers to plain HTTP.
//
// A request is POST /v3<path of method_table.def> with the request's message as JSON (proto3's mapping: 64-bit numbers
// as strings, bytes in base64, names as in the .proto files or in lowerCamelCase). The answer is the message likewise,
// names as in the .proto files, nothing that is zero or empty; streams answer {"result":{...}} in lines. An error is
// {"error":"...","code":N,"message":"..."} with the status of HTTP that stands for gRPC's. The token of a login comes
// in the field Authorization.
#pragma once

#include "base/task.h"
#include "net/http/exchange.h"
#include "protocol/etcd/service.h"

namespace keelson::etcd {

Task<void> handle_gateway(EtcdService& service, net::http::Exchange& exchange);

}  // namespace keelson::etcd
