// Every handler of the kv engine, by group; command_table.cc refers to them by these names.
//
// A handler answers exactly once through context.out, with Redis 7.0's replies and error texts. It is a deterministic
// function of the keyspace, the arguments, the time and the seed. args[0] is the command's name and is never looked at;
// a subcommand's handler sees the container's name in args[0] and its own in args[1] (OBJECT ENCODING key: the key is
// args[2]). The table has checked the arity.
//
// Queries (context.is_query) change nothing: a key whose time has passed is just not seen. A write that meets such a
// key removes it first, with the event "expired".
//
// Handlers of several keys find each key's keyspace with context.at(key). When the keyspaces are several
// (context.effects is set), every change is told to it as a command that is complete for that key's shard; on one shard
// the command itself stands in the log and effects is null.
#pragma once

#include "engine/kv/command.h"

namespace keelson::kv {

// Strings: cmd_string.cc, cmd_string_range.cc.
void cmd_append(CommandContext& context);
void cmd_decr(CommandContext& context);
void cmd_decrby(CommandContext& context);
void cmd_get(CommandContext& context);
void cmd_getdel(CommandContext& context);
void cmd_getex(CommandContext& context);
void cmd_getrange(CommandContext& context);
void cmd_getset(CommandContext& context);
void cmd_incr(CommandContext& context);
void cmd_incrby(CommandContext& context);
void cmd_incrbyfloat(CommandContext& context);
void cmd_lcs(CommandContext& context);
void cmd_mget(CommandContext& context);
void cmd_mset(CommandContext& context);
void cmd_msetnx(CommandContext& context);
void cmd_psetex(CommandContext& context);
void cmd_set(CommandContext& context);
void cmd_setex(CommandContext& context);
void cmd_setnx(CommandContext& context);
void cmd_setrange(CommandContext& context);
void cmd_strlen(CommandContext& context);
void cmd_substr(CommandContext& context);

// Bitmaps: cmd_bitmap.cc. (BITFIELD and BITFIELD_RO are not built: Home::kUnsupported.)
void cmd_bitcount(CommandContext& context);
void cmd_bitop(CommandContext& context);
void cmd_bitpos(CommandContext& context);
void cmd_getbit(CommandContext& context);
void cmd_setbit(CommandContext& context);

// Keys of any type: cmd_generic.cc, cmd_expire.cc, cmd_dump.cc. The handlers marked "all" are for Home::kAllShards.
void cmd_copy(CommandContext& context);
void cmd_dbsize(CommandContext& context);  // all
void cmd_del(CommandContext& context);
void cmd_dump(CommandContext& context);
void cmd_exists(CommandContext& context);
void cmd_expire(CommandContext& context);
void cmd_expireat(CommandContext& context);
void cmd_expiretime(CommandContext& context);
void cmd_flushall(CommandContext& context);  // all
void cmd_flushdb(CommandContext& context);   // all
void cmd_keys(CommandContext& context);      // all
void cmd_move(CommandContext& context);
void cmd_object_encoding(CommandContext& context);
void cmd_object_freq(CommandContext& context);
void cmd_object_idletime(CommandContext& context);
void cmd_object_refcount(CommandContext& context);
void cmd_persist(CommandContext& context);
void cmd_pexpire(CommandContext& context);
void cmd_pexpireat(CommandContext& context);
void cmd_pexpiretime(CommandContext& context);
void cmd_pttl(CommandContext& context);
void cmd_randomkey(CommandContext& context);  // all
void cmd_rename(CommandContext& context);
void cmd_renamenx(CommandContext& context);
void cmd_restore(CommandContext& context);  // RESTORE and RESTORE-ASKING
void cmd_swapdb(CommandContext& context);   // all
void cmd_touch(CommandContext& context);
void cmd_ttl(CommandContext& context);
void cmd_type(CommandContext& context);
void cmd_unlink(CommandContext& context);

// Hashes: cmd_hash.cc (HSCAN is with the scans).
void cmd_hdel(CommandContext& context);
void cmd_hexists(CommandContext& context);
void cmd_hget(CommandContext& context);
void cmd_hgetall(CommandContext& context);
void cmd_hincrby(CommandContext& context);
void cmd_hincrbyfloat(CommandContext& context);
void cmd_hkeys(CommandContext& context);
void cmd_hlen(CommandContext& context);
void cmd_hmget(CommandContext& context);
void cmd_hmset(CommandContext& context);
void cmd_hrandfield(CommandContext& context);
void cmd_hset(CommandContext& context);
void cmd_hsetnx(CommandContext& context);
void cmd_hstrlen(CommandContext& context);
void cmd_hvals(CommandContext& context);

// Lists: cmd_list.cc, cmd_list_move.cc. The cores of the blocking commands answer as inside MULTI: they check every
// argument, and where they would have to wait they answer null at once. A session blocks on that answer.
void cmd_blmove(CommandContext& context);
void cmd_blmpop(CommandContext& context);
void cmd_blpop(CommandContext& context);
void cmd_brpop(CommandContext& context);
void cmd_brpoplpush(CommandContext& context);
void cmd_lindex(CommandContext& context);
void cmd_linsert(CommandContext& context);
void cmd_llen(CommandContext& context);
void cmd_lmove(CommandContext& context);
void cmd_lmpop(CommandContext& context);
void cmd_lpop(CommandContext& context);
void cmd_lpos(CommandContext& context);
void cmd_lpush(CommandContext& context);
void cmd_lpushx(CommandContext& context);
void cmd_lrange(CommandContext& context);
void cmd_lrem(CommandContext& context);
void cmd_lset(CommandContext& context);
void cmd_ltrim(CommandContext& context);
void cmd_rpop(CommandContext& context);
void cmd_rpoplpush(CommandContext& context);
void cmd_rpush(CommandContext& context);
void cmd_rpushx(CommandContext& context);

// Sets.
void cmd_sadd(CommandContext& context);
void cmd_scard(CommandContext& context);
void cmd_sdiff(CommandContext& context);
void cmd_sdiffstore(CommandContext& context);
void cmd_sinter(CommandContext& context);
void cmd_sintercard(CommandContext& context);
void cmd_sinterstore(CommandContext& context);
void cmd_sismember(CommandContext& context);
void cmd_smembers(CommandContext& context);
void cmd_smismember(CommandContext& context);
void cmd_smove(CommandContext& context);
void cmd_spop(CommandContext& context);
void cmd_srandmember(CommandContext& context);
void cmd_srem(CommandContext& context);
void cmd_sunion(CommandContext& context);
void cmd_sunionstore(CommandContext& context);

// Sorted sets. The blocking ones as for lists.
void cmd_bzmpop(CommandContext& context);
void cmd_bzpopmax(CommandContext& context);
void cmd_bzpopmin(CommandContext& context);
void cmd_zadd(CommandContext& context);
void cmd_zcard(CommandContext& context);
void cmd_zcount(CommandContext& context);
void cmd_zdiff(CommandContext& context);
void cmd_zdiffstore(CommandContext& context);
void cmd_zincrby(CommandContext& context);
void cmd_zinter(CommandContext& context);
void cmd_zintercard(CommandContext& context);
void cmd_zinterstore(CommandContext& context);
void cmd_zlexcount(CommandContext& context);
void cmd_zmpop(CommandContext& context);
void cmd_zmscore(CommandContext& context);
void cmd_zpopmax(CommandContext& context);
void cmd_zpopmin(CommandContext& context);
void cmd_zrandmember(CommandContext& context);
void cmd_zrange(CommandContext& context);
void cmd_zrangebylex(CommandContext& context);
void cmd_zrangebyscore(CommandContext& context);
void cmd_zrangestore(CommandContext& context);
void cmd_zrank(CommandContext& context);
void cmd_zrem(CommandContext& context);
void cmd_zremrangebylex(CommandContext& context);
void cmd_zremrangebyrank(CommandContext& context);
void cmd_zremrangebyscore(CommandContext& context);
void cmd_zrevrange(CommandContext& context);
void cmd_zrevrangebylex(CommandContext& context);
void cmd_zrevrangebyscore(CommandContext& context);
void cmd_zrevrank(CommandContext& context);
void cmd_zscore(CommandContext& context);
void cmd_zunion(CommandContext& context);
void cmd_zunionstore(CommandContext& context);

// SORT.
void cmd_sort(CommandContext& context);
void cmd_sort_ro(CommandContext& context);

// Scans. SCAN on one shard, with that shard's cursor: the session walks the shards.
void cmd_hscan(CommandContext& context);
void cmd_scan(CommandContext& context);
void cmd_sscan(CommandContext& context);
void cmd_zscan(CommandContext& context);

// What tools ask of single keys or the whole: cmd_debug.cc. MEMORY USAGE is a command of its own; the others are
// reached through DEBUG, by internal names (below).
void cmd_memory_usage(CommandContext& context);           // MEMORY USAGE key [SAMPLES n]
void cmd_internal_debug_object(CommandContext& context);  // _DEBUGOBJECT key
void cmd_internal_digest(CommandContext& context);        // _DIGEST, all: 40 hex digits over every database
void cmd_internal_digest_value(CommandContext& context);  // _DIGESTVALUE key: 40 hex digits, zeros if there is no key

// Internal commands (cmd_internal.cc): no client can send them; they stand in logs as what was decided once. Each is a
// write, answers an integer (how many keys changed), and may stand in a log beside any state: where it no longer
// applies it changes nothing.
void cmd_internal_expire(CommandContext& context);  // _EXPIRE key: removes the key if its time is over; event "expired"
void cmd_internal_evict(CommandContext& context);   // _EVICT key: removes the key; event "evicted"
// _EVICTVOLATILE key: the same, if the key has an expiry when this is applied: under the volatile policies others stay.
void cmd_internal_evict_volatile(CommandContext& context);
// _PUT key expire_at_ms payload: whatever the key held, it now holds the value of a DUMP payload and expires then (0:
// never). The caller of the command has sent the events, so this has none. Sources: RENAME, COPY, *STORE across shards.
void cmd_internal_put(CommandContext& context);
// What moves a slot (slot_walk.h); no client is told of anything.
// _TAKE key expire_at_ms payload: as _PUT.
void cmd_internal_take(CommandContext& context);
// _DROP key [key ...]: removes the keys.
void cmd_internal_drop(CommandContext& context);

}  // namespace keelson::kv
