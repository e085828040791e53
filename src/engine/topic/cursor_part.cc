#include "engine/topic/cursor_part.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/topic/body_codec.h"
#include "engine/topic/cursor_commands.h"
#include "engine/topic/offset_set.h"

namespace keelson::topic {

static void fields_of(auto& visit, Is<OffsetRange> auto& b) { visit(b.begin, b.end); }
static void fields_of(auto& visit, Is<FailedAttempts> auto& b) { visit(b.offset, b.count); }
static void fields_of(auto& visit, Is<CursorPosition> auto& b) { visit(b.floor, b.done, b.attempts); }
static void fields_of(auto& visit, Is<CursorInfo> auto& b) { visit(b.name, b.topic, b.generation, b.positions); }
static void fields_of(auto& visit, Is<AdvanceCursor::Part> auto& b) { visit(b.partition, b.done, b.attempts); }
static void fields_of(auto& visit, Is<CreateCursor> auto& b) { visit(b.name, b.topic, b.positions); }
static void fields_of(auto& visit, Is<DeleteCursor> auto& b) { visit(b.name); }
static void fields_of(auto& visit, Is<SeekCursor> auto& b) { visit(b.name, b.positions); }
static void fields_of(auto& visit, Is<AdvanceCursor> auto& b) { visit(b.name, b.generation, b.parts); }
static void fields_of(auto& visit, Is<FindCursor> auto& b) { visit(b.name); }
static void fields_of(auto& visit, Is<ListCursors> auto& b) { visit(b.prefix, b.after, b.count_max); }

namespace {

// One partition.
struct Place {
  OffsetSet done;
  std::map<int64_t, uint32_t> attempts;  // of offsets that are not done

  void take_attempts(const std::vector<FailedAttempts>& counts) {
    for (const FailedAttempts& count : counts) {
      if (done.contains(count.offset)) continue;
      if (attempts.size() < kCursorAttemptsMax || attempts.contains(count.offset)) {
        attempts[count.offset] = count.count;
      }
    }
  }
  void add(const OffsetRange& range) {
    attempts.erase(attempts.lower_bound(range.begin), attempts.lower_bound(std::max(range.begin, range.end)));
    done.add(range.begin, range.end);
  }
  [[nodiscard]] CursorPosition position(bool with_attempts) const {
    CursorPosition position = done.position();
    if (with_attempts) {
      for (const auto& [offset, count] : attempts) position.attempts.push_back({offset, count});
    }
    return position;
  }
};

struct Cursor {
  TopicId topic;
  uint64_t generation = 0;
  std::vector<Place> places;  // by partition
};

bool is_good(const std::vector<OffsetRange>& ranges) {
  return std::ranges::all_of(ranges,
                             [](const OffsetRange& range) { return range.begin >= 0 && range.begin <= range.end; });
}

bool is_good(const std::vector<CursorPosition>& positions) {
  if (positions.size() > static_cast<size_t>(kPartitionsMax)) return false;
  return std::ranges::all_of(positions, [](const CursorPosition& position) {
    return position.floor >= 0 && position.done.size() <= kCursorRangesMax && is_good(position.done) &&
           position.attempts.size() <= kCursorAttemptsMax;
  });
}

std::vector<Place> places_of(const std::vector<CursorPosition>& positions) {
  std::vector<Place> places;
  places.reserve(positions.size());
  for (const CursorPosition& position : positions) {
    places.push_back({OffsetSet(position), {}});
    places.back().take_attempts(position.attempts);
  }
  return places;
}

class CursorPart final : public Part {
 public:
  void apply(const PartContext& context, Code code, std::string_view body, Answer* answer) override {
    Answer unheard;
    Answer& to = answer != nullptr ? *answer : unheard;
    switch (code) {
      case Code::kCreateCursor:
        return run<CreateCursor>(body, to, &CursorPart::create);
      case Code::kDeleteCursor:
        return run<DeleteCursor>(body, to, &CursorPart::remove);
      case Code::kSeekCursor:
        return run<SeekCursor>(body, to, &CursorPart::seek);
      case Code::kAdvanceCursor:
        return run<AdvanceCursor>(body, to, &CursorPart::advance);
      default:
        to.error = TopicErrc::kInvalid;
    }
  }

  void query(const engine::ApplyContext& context, Code code, std::string_view body, Answer& answer) const override {
    FindCursor find;
    ListCursors list;
    if (code == Code::kFindCursor && decode(body, find)) {
      const auto place = cursors_.find(find.name);
      if (place == cursors_.end()) {
        answer.error = TopicErrc::kUnknownCursor;
      } else {
        answer.cursors.push_back(info_of(place->first, place->second, true));
      }
    } else if (code == Code::kListCursors && decode(body, list)) {
      show(list, answer);
    } else {
      answer.error = TopicErrc::kInvalid;
    }
  }

  void save(Buffer& out) const override {
    std::vector<CursorInfo> all;
    all.reserve(cursors_.size());
    for (const auto& [name, cursor] : cursors_) all.push_back(info_of(name, cursor, true));
    std::string bytes;
    BodyWriter writer(bytes);
    writer(all);
    out.append(bytes);
  }

  Status load(std::string_view saved) override {
    std::vector<CursorInfo> all;
    BodyReader reader(saved);
    reader(all);
    if (!reader.is_good()) {
      return fail(std::make_error_code(std::errc::bad_message), "topic: a checkpoint's cursors cannot be read");
    }
    for (const CursorInfo& info : all) {
      if (!is_good(info.positions)) {
        return fail(std::make_error_code(std::errc::bad_message),
                    "topic: a checkpoint's cursor " + info.name + " has a position that cannot be");
      }
      cursors_[info.name] = {info.topic, info.generation, places_of(info.positions)};
    }
    return {};
  }

  void reset() override { cursors_.clear(); }

 private:
  template <class Body>
  void run(std::string_view bytes, Answer& answer, TopicErrc (CursorPart::*handler)(const Body&, Answer&)) {
    Body body;
    answer.error = decode(bytes, body) ? (this->*handler)(body, answer) : TopicErrc::kInvalid;
  }

  TopicErrc create(const CreateCursor& body, Answer& answer) {
    if (body.name.empty() || body.name.size() > kCursorNameBytesMax || !is_good(body.positions)) {
      return TopicErrc::kInvalid;
    }
    if (cursors_.contains(body.name)) return TopicErrc::kCursorExists;
    cursors_[body.name] = {body.topic, 0, places_of(body.positions)};
    return TopicErrc::kOk;
  }

  TopicErrc remove(const DeleteCursor& body, Answer& answer) {
    return cursors_.erase(body.name) != 0 ? TopicErrc::kOk : TopicErrc::kUnknownCursor;
  }

  TopicErrc seek(const SeekCursor& body, Answer& answer) {
    const auto place = cursors_.find(body.name);
    if (place == cursors_.end()) return TopicErrc::kUnknownCursor;
    if (!is_good(body.positions)) return TopicErrc::kInvalid;
    Cursor& cursor = place->second;
    cursor.places = places_of(body.positions);
    ++cursor.generation;
    answer.cursors.push_back({body.name, cursor.topic, cursor.generation, {}});
    return TopicErrc::kOk;
  }

  TopicErrc advance(const AdvanceCursor& body, Answer& answer) {
    const auto place = cursors_.find(body.name);
    if (place == cursors_.end()) return TopicErrc::kUnknownCursor;
    Cursor& cursor = place->second;
    if (cursor.generation != body.generation) return TopicErrc::kIllegalGeneration;
    for (const AdvanceCursor::Part& part : body.parts) {
      if (part.partition < 0 || part.partition >= kPartitionsMax || !is_good(part.done)) return TopicErrc::kInvalid;
      const auto at = static_cast<size_t>(part.partition);
      const size_t present = at < cursor.places.size() ? cursor.places[at].done.ranges().size() : 0;
      if (present + part.done.size() > kCursorRangesMax) return TopicErrc::kInvalid;
    }
    for (const AdvanceCursor::Part& part : body.parts) {
      const auto at = static_cast<size_t>(part.partition);
      if (at >= cursor.places.size()) cursor.places.resize(at + 1);
      for (const OffsetRange& range : part.done) cursor.places[at].add(range);
      cursor.places[at].take_attempts(part.attempts);
    }
    return TopicErrc::kOk;
  }

  void show(const ListCursors& body, Answer& answer) const {
    auto place = body.after < body.prefix ? cursors_.lower_bound(body.prefix) : cursors_.upper_bound(body.after);
    for (; place != cursors_.end() && place->first.starts_with(body.prefix); ++place) {
      if (answer.cursors.size() >= body.count_max) {
        answer.is_truncated = true;
        return;
      }
      answer.cursors.push_back(info_of(place->first, place->second, false));
    }
  }

  static CursorInfo info_of(const std::string& name, const Cursor& cursor, bool with_attempts) {
    CursorInfo info{name, cursor.topic, cursor.generation, {}};
    info.positions.reserve(cursor.places.size());
    for (const Place& at : cursor.places) info.positions.push_back(at.position(with_attempts));
    return info;
  }

  std::map<std::string, Cursor> cursors_;
};

}  // namespace

std::unique_ptr<Part> make_cursor_part() { return std::make_unique<CursorPart>(); }

#define KEELSON_TOPIC_CODEC(Body)                                    \
  std::string encode(const Body& body) { return encode_body(body); } \
  bool decode(std::string_view from, Body& body) { return decode_body(from, body); }
KEELSON_TOPIC_CURSOR_BODIES(KEELSON_TOPIC_CODEC)
#undef KEELSON_TOPIC_CODEC

}  // namespace keelson::topic
