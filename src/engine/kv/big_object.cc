#include "engine/kv/big_object.h"

#include <algorithm>

#include "engine/kv/list_object.h"
#include "engine/kv/member_object.h"
#include "engine/kv/size_class.h"
#include "engine/kv/sorted_set_object.h"
#include "engine/kv/string_object.h"

namespace keelson::kv {
namespace {

// Giving a large allocation back costs by its pages.
constexpr size_t kBytesPerElement = 64 * 1024;

template <class Object>
bool drain_and_delete(BigObject* object, size_t& budget) {
  auto* typed = static_cast<Object*>(object);
  if (!typed->drain(budget)) return false;
  delete typed;
  return true;
}

}  // namespace

bool drain_object(BigObject* object, size_t& budget) {
  switch (object->kind()) {
    case BigObject::Kind::kString:
      budget -= std::min(budget, drain_cost(*object));
      delete static_cast<StringObject*>(object);
      return true;
    case BigObject::Kind::kList:
      return drain_and_delete<ListObject>(object, budget);
    case BigObject::Kind::kMembers:
      return drain_and_delete<MemberObject>(object, budget);
    case BigObject::Kind::kSortedSet:
      return drain_and_delete<SortedSetObject>(object, budget);
  }
  return true;
}

uint64_t prefetch_member(const BigObject& object, std::string_view name) {
  switch (object.kind()) {
    case BigObject::Kind::kMembers:
      return static_cast<const MemberObject&>(object).prefetch(name);
    case BigObject::Kind::kSortedSet:
      return static_cast<const SortedSetObject&>(object).prefetch(name);
    default:
      return 0;  // a command for another type, which will be refused
  }
}

void prefetch_member_node(const BigObject& object, uint64_t hash) {
  if (object.kind() == BigObject::Kind::kMembers) {
    static_cast<const MemberObject&>(object).prefetch_node(hash);
  } else if (object.kind() == BigObject::Kind::kSortedSet) {
    static_cast<const SortedSetObject&>(object).prefetch_node(hash);
  }
}

BigObject* copy_object(const BigObject& object, uint64_t secret) {
  switch (object.kind()) {
    case BigObject::Kind::kString: {
      const auto& from = static_cast<const StringObject&>(object);
      auto* copy = new StringObject(from.size());
      copy->assign(from.view());
      return copy;
    }
    case BigObject::Kind::kList: {
      auto* copy = new ListObject();
      const auto& from = static_cast<const ListObject&>(object);
      for (size_t i = 0; i < from.chunk_count(); ++i) {
        const ListChunk& chunk = *from.chunk(i);
        copy->append_chunk({chunk.data() + chunk.begin, chunk.end - chunk.begin});
      }
      return copy;
    }
    case BigObject::Kind::kMembers: {
      const auto& from = static_cast<const MemberObject&>(object);
      auto* copy = new MemberObject(from.type(), secret);
      copy->reserve(from.size());
      for (size_t i = 0; i < from.size(); ++i) {
        copy->set(from.at(i).name(), from.has_values() ? from.at(i).value() : std::string_view());
      }
      return copy;
    }
    case BigObject::Kind::kSortedSet: {
      const auto& from = static_cast<const SortedSetObject&>(object);
      auto* copy = new SortedSetObject(secret);
      copy->reserve(from.size());
      from.tree().for_range(0, from.size(), [copy](const ScoreKey& key) {
        bool moved = false;
        copy->set(key.member->name(), key.score, moved);
        return true;
      });
      return copy;
    }
  }
  return nullptr;
}

size_t drain_cost(const BigObject& object) {
  switch (object.kind()) {
    case BigObject::Kind::kString:
      return static_cast<const StringObject&>(object).capacity() / kBytesPerElement + 1;
    case BigObject::Kind::kList:
      return static_cast<const ListObject&>(object).size() / 16 + 1;
    case BigObject::Kind::kMembers:
      return static_cast<const MemberObject&>(object).size();
    case BigObject::Kind::kSortedSet:
      return static_cast<const SortedSetObject&>(object).size();
  }
  return 0;
}

size_t object_bytes(const BigObject& object, size_t samples) {
  switch (object.kind()) {
    case BigObject::Kind::kString:
      return size_class(sizeof(StringObject)) + static_cast<const StringObject&>(object).capacity();
    case BigObject::Kind::kList:
      return static_cast<const ListObject&>(object).bytes();
    case BigObject::Kind::kMembers:
      return static_cast<const MemberObject&>(object).bytes(samples);
    case BigObject::Kind::kSortedSet:
      return static_cast<const SortedSetObject&>(object).bytes(samples);
  }
  return 0;
}

}  // namespace keelson::kv
