// Standard input and output as the blob verbs use them.
#pragma once

#include <memory>

#include "cli/blob_transfer.h"
#include "cli/blob_verbs.h"

namespace keelson::cli {

// Waits for input without holding the reactor up, so that parts under way go on meanwhile.
std::unique_ptr<BlobInput> standard_input(env::Env& env);
std::unique_ptr<BlobOutput> standard_output();
// Lines on standard output, complaints and progress on standard error. `quiet`: complaints and results alone.
std::unique_ptr<BlobConsole> terminal_console(env::Env& env, std::string_view verb, bool quiet, bool output_is_content);

}  // namespace keelson::cli
