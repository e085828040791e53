#include "protocol/s3/error.h"

#include "protocol/s3/xml_writer.h"

namespace keelson::s3 {

namespace {

constexpr ErrorSpec kSpecs[] = {
#define S3_ERROR(code, status, message) {#code, status, message},
#include "protocol/s3/error_table.def"
#undef S3_ERROR
};

}  // namespace

const ErrorSpec& error_spec(ErrorCode code) { return kSpecs[static_cast<size_t>(code)]; }

std::unexpected<S3Error> invalid_argument(std::string message, std::string name, std::string value) {
  S3Error error{.code = ErrorCode::kInvalidArgument, .message = std::move(message)};
  error.details.emplace_back("ArgumentName", std::move(name));
  error.details.emplace_back("ArgumentValue", std::move(value));
  return std::unexpected<S3Error>(std::move(error));
}

std::string error_document(const S3Error& error, std::string_view resource, std::string_view request_id,
                           std::string_view host_id) {
  XmlWriter xml;
  xml.open("Error");
  xml.element("Code", error.spec().code);
  xml.element("Message", error.text());
  for (const auto& [name, value] : error.details) xml.element(name, value);
  xml.element("Resource", resource);
  xml.element("RequestId", request_id);
  xml.element("HostId", host_id);
  xml.close("Error");
  return xml.take();
}

}  // namespace keelson::s3
