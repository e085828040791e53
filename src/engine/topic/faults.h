// Defects that a test plants in the topic engine to prove that the simulation finds such a defect. All off in the
// server.
#pragma once

namespace keelson::topic {

struct TopicFaults {
  // A checkpoint counts although the segments that it refers to were not synced.
  bool skip_segment_sync = false;
  // A batch that a producer sends again is appended again.
  bool takes_duplicates = false;
  // Readers of committed data are not told what was aborted.
  bool hides_aborted = false;
  // Compaction takes the last record of each key for one that was replaced, too.
  bool drops_last_of_key = false;
  // A checkpoint goes to another node without the segments that it refers to.
  bool leaves_segments_behind = false;
};

}  // namespace keelson::topic
