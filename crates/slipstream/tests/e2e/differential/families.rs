//! The commands of each family, with the kinds of their arguments.

use super::words::Family;

/// Commands with the kinds of their arguments, one letter each: `k` a key, mostly of the family's own, `m` a member or
/// field, `v` a value, `i` an integer, `f` a score, `r` a bound of ranks, `s` of scores, `l` of members, `c` a small
/// count, `o` a direction, `d` the id of an entry, `n` one for a new entry, `e` a bound of ids, `a` the place of a bit,
/// `b` a bit, `t` the type of a field, `g` an offset in such fields, `h` an element of a HyperLogLog, `y` a longitude, `z` a
/// latitude, `w` a distance, `u` its unit, `p` a consumer group, `j` a consumer. Any other word stands for
/// itself.
pub(super) const FAMILIES: [Family; 12] = [
    ("string", STRINGS),
    ("bitmap", BITMAPS),
    ("sketch", HYPERLOGLOGS),
    ("geo", PLACES),
    ("list", LISTS),
    ("set", SETS),
    ("hash", HASHES),
    ("zset", SORTED_SETS),
    ("lexical", LEXICAL),
    ("stream", STREAMS),
    ("group", GROUPS),
    ("any", KEYS),
];

const STRINGS: &str = "SET k v; SET k v NX; SET k v XX GET; SET k v KEEPTTL; SET k i PXAT 4102444800123; SET k v NX XX;
    SETNX k v; GET k; GETSET k v; GETDEL k; GETEX k PERSIST; GETRANGE k r r; SUBSTR k r r; SETRANGE k c v; APPEND k v;
    STRLEN k; INCR k; DECR k; INCRBY k i; DECRBY k i; INCRBYFLOAT k f; MSET k v k i; MSETNX k v k v; MGET k k k;
    LCS k k; LCS k k LEN; LCS k k IDX; GET";

const BITMAPS: &str = "SETBIT k a b; SETBIT k a b; SETBIT k a b; GETBIT k a; BITCOUNT k; BITCOUNT k r r; BITCOUNT k a a BIT;
    BITCOUNT k r r BIT; BITCOUNT k r r BYTE; BITCOUNT k r; BITCOUNT k r r x; BITPOS k b; BITPOS k b r; BITPOS k b r r;
    BITPOS k b a a BIT; BITPOS k b r r BIT; BITPOS k b r r BYTE; BITPOS k i; BITOP AND k k k; BITOP OR k k k k;
    BITOP XOR k k k; BITOP NOT k k; BITOP NOT k k k; BITFIELD k GET t g; BITFIELD k SET t g i; BITFIELD k INCRBY t g i;
    BITFIELD k OVERFLOW SAT INCRBY t g i SET t g i; BITFIELD k SET t g i OVERFLOW FAIL INCRBY t g i GET t g SET t g i;
    BITFIELD_RO k GET t g GET t g; BITFIELD_RO k SET t g i; BITFIELD k GET t; BITFIELD k; SET k v; APPEND k v;
    SETRANGE k c v; GET k; STRLEN k; SET k i";

/// Nobody else writes to these: servers may differ in what they make of a corrupt one.
const HYPERLOGLOGS: &str = "PFADD k h h h h h h h h; PFADD k h h h h h h h h h h h h; PFADD k h; PFADD k; PFCOUNT k; PFCOUNT k k;
    PFCOUNT k k k; PFMERGE k; PFMERGE k k; PFMERGE k k k; GET k; STRLEN k; PFDEBUG ENCODING k; PFDEBUG DECODE k;
    PFDEBUG TODENSE k; PFDEBUG x k; DEL k";

/// Nobody else writes to these: what other scores mean as places is the processor's.
const PLACES: &str = "GEOADD k y z m; GEOADD k y z m y z m y z m; GEOADD k 12.5 41.25 m 12.5 41.25 m 12.5 41.25 m;
    GEOADD k NX CH y z m; GEOADD k XX y z m; GEOADD k y m; GEODIST k m m; GEODIST k m m u; GEOHASH k m m; GEOPOS k m m;
    GEOSEARCH k FROMMEMBER m BYRADIUS w u; GEOSEARCH k FROMMEMBER m BYBOX w w u DESC WITHDIST;
    GEOSEARCH k FROMLONLAT y z BYRADIUS w u ASC WITHCOORD; GEOSEARCH k FROMLONLAT y z BYBOX w w u COUNT c WITHHASH;
    GEOSEARCH k FROMLONLAT 12.5 41.25 BYRADIUS w u COUNT c; GEOSEARCH k BYBOX w w u FROMMEMBER m COUNT c ANY;
    GEORADIUS k y z w u WITHDIST WITHCOORD; GEORADIUS_RO k y z w u COUNT c DESC; GEORADIUS k y z w u STORE k;
    GEORADIUSBYMEMBER k m w u COUNT c STORE k; GEORADIUSBYMEMBER_RO k m w u; GEOSEARCH k BYRADIUS w u;
    GEOSEARCHSTORE k k FROMMEMBER m BYRADIUS w u; GEOSEARCHSTORE k k FROMLONLAT y z BYBOX w w u ASC COUNT c; ZREM k m";

const LISTS: &str = "LPUSH k v m; RPUSH k v m i; LPUSHX k v; RPUSHX k v; LPOP k; RPOP k; LPOP k c; RPOP k i; LLEN k;
    LINDEX k r; LSET k r v; LRANGE k r r; LTRIM k r r; LREM k r m; LINSERT k BEFORE m v; LINSERT k AFTER m v; LPOS k m;
    LPOS k m RANK r COUNT c; LPOS k m COUNT c MAXLEN c; LMOVE k k o o; RPOPLPUSH k k; LMPOP 2 k k o COUNT c;
    SORT k ALPHA; SORT k; SORT k LIMIT c c ALPHA DESC; SORT k ALPHA STORE k";

const SETS: &str = "SADD k m m i; SADD k i i; SADD k m m m m m; SREM k m i; SISMEMBER k m; SMISMEMBER k m i; SCARD k;
    SMEMBERS k; SMOVE k k m; SINTER k k; SUNION k k; SDIFF k k; SINTERSTORE k k k; SUNIONSTORE k k k; SDIFFSTORE k k k;
    SINTERCARD 2 k k; SINTERCARD 2 k k LIMIT c; SINTERCARD i k; SORT k ALPHA; SORT_RO k ALPHA DESC GET # GET x*";

const HASHES: &str = "HSET k m v; HSET k m v m i; HSET k m; HSETNX k m v; HGET k m; HMGET k m m; HMSET k m v;
    HDEL k m m; HEXISTS k m; HLEN k; HSTRLEN k m; HKEYS k; HVALS k; HGETALL k; HINCRBY k m i; HINCRBYFLOAT k m f";

const SORTED_SETS: &str = "ZADD k f m; ZADD k f m f m f m; ZADD k NX f m; ZADD k XX CH f m; ZADD k GT CH f m;
    ZADD k LT f m; ZADD k NX GT f m; ZADD k INCR f m; ZINCRBY k f m; ZREM k m m; ZSCORE k m; ZMSCORE k m m; ZCARD k;
    ZCOUNT k s s; ZRANK k m; ZREVRANK k m; ZRANGE k r r; ZRANGE k r r REV WITHSCORES; ZRANGE k s s BYSCORE;
    ZRANGE k s s BYSCORE LIMIT c c; ZRANGE k s s BYSCORE REV; ZRANGE k m m BYSCORE; ZRANGEBYSCORE k s s WITHSCORES;
    ZREVRANGEBYSCORE k s s LIMIT c r; ZREVRANGE k r r WITHSCORES; ZPOPMIN k; ZPOPMAX k c; ZREMRANGEBYRANK k r r;
    ZREMRANGEBYSCORE k s s; ZUNION 2 k k WITHSCORES; ZINTER 2 k k WITHSCORES; ZDIFF 2 k k WITHSCORES;
    ZUNIONSTORE k 2 k k; ZINTERSTORE k 2 k k WEIGHTS c f; ZUNIONSTORE k 2 k k AGGREGATE MAX; ZDIFFSTORE k 2 k k;
    ZRANGESTORE k k r r; ZINTERCARD 2 k k; ZMPOP 2 k k MIN COUNT c";

/// On sorted sets of one score only: in others a range of members means nothing. So other families leave them alone.
const LEXICAL: &str = "ZADD k 0 m 0 m 0 m; ZLEXCOUNT k l l; ZRANGEBYLEX k l l; ZREVRANGEBYLEX k l l;
    ZRANGE k l l BYLEX LIMIT c c; ZREMRANGEBYLEX k l l; ZRANGE k l l BYLEX REV; ZREM k m";

const STREAMS: &str = "XADD k n m v; XADD k n m v m i m v; XADD k n m i; XADD k n m v m; XADD k NOMKSTREAM n m v;
    XADD k MAXLEN c n m v; XADD k MAXLEN ~ c n m v; XADD k MINID d n m v; XADD k MINID ~ d LIMIT c n m v; XLEN k;
    XRANGE k - +; XRANGE k e e; XRANGE k e e COUNT r; XREVRANGE k + -; XREVRANGE k e e; XREVRANGE k e e COUNT c;
    XREAD STREAMS k d; XREAD COUNT c STREAMS k k d d; XREAD STREAMS k $; XREAD COUNT i STREAMS k d;
    XDEL k d; XDEL k d d d; XTRIM k MAXLEN c; XTRIM k MAXLEN ~ c; XTRIM k MAXLEN ~ c LIMIT r; XTRIM k MAXLEN = i;
    XTRIM k MINID d; XTRIM k MINID ~ d; XTRIM k MAXLEN c LIMIT c";

/// Idle times are 0 or longer than ever: what lies between depends on the moment. Redis 7.0 makes a consumer when it
/// is first given something, 7.2 when it is first named, so how many there are is left out.
const GROUPS: &str = "XADD k n m v; XADD k n m v; XADD k n m v; XADD k MAXLEN c n m v; XDEL k d; XGROUP CREATE k p d;
    XGROUP CREATE k p $ MKSTREAM; XGROUP CREATE k p d ENTRIESREAD r MKSTREAM; XGROUP CREATE k p e; XGROUP SETID k p e;
    XGROUP SETID k p $; XGROUP SETID k p d ENTRIESREAD i; XGROUP DESTROY k p; XGROUP DELCONSUMER k p j;
    XGROUP x k p; XREADGROUP GROUP p j COUNT c STREAMS k >;
    XREADGROUP GROUP p j COUNT c STREAMS k >; XREADGROUP GROUP p j STREAMS k k > >;
    XREADGROUP GROUP p j COUNT c NOACK STREAMS k >; XREADGROUP GROUP p j COUNT r STREAMS k d;
    XREADGROUP GROUP p j STREAMS k k 0 >; XREADGROUP GROUP p j STREAMS k d; XREADGROUP GROUP p j STREAMS k $;
    XACK k p d d d d; XACK k p d; XPENDING k p; XPENDING k p; XPENDING k p e e r; XPENDING k p IDLE 0 - + c j;
    XPENDING k p - + i j; XPENDING k p IDLE 4102444800000 - + 9; XCLAIM k p j 0 d d d; XCLAIM k p j 0 d d JUSTID;
    XCLAIM k p j 0 d d FORCE RETRYCOUNT r; XCLAIM k p j 0 d FORCE; XCLAIM k p j -5 d LASTID d;
    XCLAIM k p j 4102444800000 d d FORCE JUSTID; XCLAIM k p j 0 d IDLE i TIME i; XCLAIM k p j x d;
    XAUTOCLAIM k p j 0 e COUNT c; XAUTOCLAIM k p j 0 - JUSTID; XAUTOCLAIM k p j 4102444800000 d; XINFO GROUPS k;
    XINFO GROUPS k; XINFO STREAM k; XINFO STREAM k; XINFO CONSUMERS k nosuch; XTRIM k MINID d";

const KEYS: &str = "DEL k; UNLINK k; EXISTS k k k; TYPE k; RENAME k k; RENAMENX k k; COPY k k; COPY k k REPLACE;
    TOUCH k k; EXPIREAT k 4102444800; EXPIREAT k 4102444900 GT; EXPIREAT k 4102444700 LT; EXPIREAT k 4102444600 NX;
    PEXPIREAT k 4102444800000; EXPIRETIME k; PEXPIRETIME k; PERSIST k; EXPIRE k -1; DBSIZE; KEYS *; MOVE k 1; SELECT c;
    WATCH k; UNWATCH; EXEC; NOSUCHCOMMAND k v";
