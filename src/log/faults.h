// Defects that a test plants in the log to prove that the simulation finds such a defect. All off in the server.
#pragma once

namespace keelson::log {

struct LogFaults {
  // Reports a sync as done without doing it.
  bool skip_sync = false;
  // Takes records and checkpoint blocks whatever their CRC says.
  bool ignore_crc = false;
  // Does not sync the folder after files were made or renamed in it.
  bool skip_folder_sync = false;
  // Trims one segment more than may go.
  bool trim_too_much = false;
};

}  // namespace keelson::log
