"""A session of redis-py over the whole surface, at the server on the port that is given, blocking or with asyncio.

Prints each call and what the library makes of the reply. Whoever runs it compares what two servers made it print.
A line is an expression about `r`, the client; what it awaits is awaited where it is a coroutine. Sets and dicts are
printed in an order that depends on nothing. Usage: redis_py_session.py PORT PROTOCOL sync|asyncio
"""

import asyncio
import inspect
import sys

import redis
import redis.asyncio

SESSION = """
r.ping()
r.echo("hello")
r.set("a", "1", ex=100, nx=True)
r.set("a", "2", nx=True)
r.set("a", "3", xx=True, get=True)
r.set("a", "4", keepttl=True)
r.getex("a", persist=True)
r.ttl("a")
r.getdel("a")
r.incr("n", 5)
r.decr("n")
r.incrbyfloat("n", 1.5)
r.append("text", "hello")
r.setrange("text", 1, "u")
r.getrange("text", 0, 2)
r.substr("text", 1, 3)
r.strlen("text")
r.mset({"b": "x", "c": "y"})
r.msetnx({"b": "x", "d": "y"})
r.mget("b", "c", "none")
r.getset("b", "z")
r.lcs("text", "b", len=True)
r.setbit("bits", 7, 1)
r.getbit("bits", 7)
r.bitcount("bits", 0, -1)
r.bitpos("bits", 1)
r.bitop("NOT", "tibs", "bits")
r.bitfield("bits").set("u8", 0, 255).incrby("u8", 0, 1, "SAT").get("u4", 4).execute()
r.bitfield_ro("bits", "u8", "0")
r.rpush("l", "a", "b", "c", "d")
r.lpush("l", "z")
r.lrange("l", 0, -1)
r.lpop("l")
r.rpop("l", 2)
r.linsert("l", "BEFORE", "b", "x")
r.lset("l", 0, "first")
r.lindex("l", 0)
r.lpos("l", "b", rank=1, count=0)
r.lrem("l", 1, "x")
r.lmove("l", "m", "LEFT", "RIGHT")
r.rpoplpush("l", "m")
r.lmpop(2, "l", "m", direction="LEFT", count=2)
r.blpop("nothing", 0.01)
r.rpush("q", 1, 2, 3, 4, 5, 6)
r.blpop(["nothing", "q"], 1)
r.brpop("q", 1)
r.blmove("q", "m", 1, "LEFT", "LEFT")
r.brpoplpush("q", "m", 1)
r.blmpop(1, 2, "nothing", "q", direction="RIGHT", count=2)
r.sort("m", alpha=True, desc=True)
r.sort("m", get=["#", "w_*"], groups=True, alpha=True)
r.sort("m", alpha=True, store="sorted")
r.sadd("s", "a", "b", "c")
r.sadd("t", "b", "c", "d")
r.smembers("s")
r.sismember("s", "a")
r.smismember("s", ["a", "z"])
r.sinter("s", "t")
r.sunion("s", "t")
r.sdiff("s", "t")
r.sintercard(2, ["s", "t"], 1)
r.sinterstore("u", "s", "t")
r.smove("s", "t", "a")
r.scard("t")
r.srem("t", "a")
r.spop("u", 2)
r.hset("h", "f", "1", mapping={"g": "2", "h": "3"})
r.hgetall("h")
r.hmget("h", ["f", "none"])
r.hincrby("h", "f", 4)
r.hincrbyfloat("h", "g", 0.5)
r.hkeys("h")
r.hvals("h")
r.hexists("h", "f")
r.hstrlen("h", "g")
r.hsetnx("h", "f", "no")
r.hdel("h", "f", "none")
r.hlen("h")
r.zadd("z", {"one": 1, "two": 2.5, "many": float("inf")})
r.zadd("z", {"one": 3}, gt=True, ch=True)
r.zadd("z", {"one": 1}, incr=True)
r.zincrby("z", 2, "two")
r.zrange("z", 0, -1, withscores=True)
r.zrange("z", "(1", "+inf", byscore=True, offset=0, num=2)
r.zrevrange("z", 0, 0)
r.zrangebyscore("z", "-inf", 10, withscores=True)
r.zrangebylex("z", "-", "+")
r.zrank("z", "two")
r.zrank("z", "none")
r.zscore("z", "two")
r.zmscore("z", ["one", "none"])
r.zcount("z", 0, 5)
r.zlexcount("z", "-", "+")
r.zadd("y", {"two": 1, "three": 3})
r.zunion(["z", "y"], withscores=True)
r.zinter(["z", "y"], aggregate="MAX", withscores=True)
r.zdiff(["z", "y"], withscores=True)
r.zunionstore("x", {"z": 1, "y": 2})
r.zinterstore("x", ["z", "y"])
r.zdiffstore("x", ["z", "y"])
r.zrangestore("w", "z", 0, 1)
r.zintercard(2, ["z", "y"])
r.zpopmin("z")
r.zpopmax("z", 1)
r.zmpop(2, ["none", "y"], min=True, count=1)
r.bzpopmin(["none", "y"], 1)
r.bzpopmax("y", 0.01)
r.bzmpop(0.01, 1, ["y"], max=True)
r.zremrangebyrank("x", 0, 0)
r.geoadd("g", [13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"])
r.geodist("g", "Palermo", "Catania", "km")
r.geohash("g", "Palermo", "none")
r.geopos("g", "Palermo", "none")
r.geosearch("g", longitude=15, latitude=37, radius=200, unit="km", sort="ASC", withdist=True, withcoord=True)
r.geosearchstore("near", "g", member="Catania", width=400, height=400, unit="km")
r.georadius("g", 15, 37, 200, unit="km", withhash=True)
r.georadiusbymember("g", "Palermo", 500, unit="km", count=1)
r.pfadd("p", "a", "b", "c")
r.pfcount("p")
r.pfmerge("pp", "p", "none")
r.xadd("st", {"f": "v"}, id="1-1")
r.xadd("st", {"f": "w", "g": "x"}, id="2-1", maxlen=10, approximate=False)
r.xadd("st", {"f": "y"}, id="3-1")
r.xlen("st")
r.xrange("st", "1-1", "2-1")
r.xrevrange("st", count=1)
r.xread({"st": "1-1"}, count=1)
r.xread({"st": "$"}, block=5)
r.xgroup_create("st", "grp", "0")
r.xgroup_createconsumer("st", "grp", "alice")
r.xreadgroup("grp", "alice", {"st": ">"}, count=2)
r.xpending("st", "grp")
[{k: v for k, v in p.items() if k != "time_since_delivered"} for p in r.xpending_range("st", "grp", "-", "+", 10)] if SYNC else 0
r.xack("st", "grp", "1-1")
r.xclaim("st", "grp", "bob", 0, ["2-1"], justid=True)
r.xautoclaim("st", "grp", "carol", 0, "0-0", justid=True)
r.xinfo_groups("st")
r.xgroup_setid("st", "grp", "3-1")
r.xgroup_delconsumer("st", "grp", "alice")
r.xgroup_destroy("st", "grp")
r.xinfo_stream("st")["length"] if SYNC else 0
r.xdel("st", "1-1")
r.xtrim("st", maxlen=1, approximate=False)
r.exists("st", "none", "z")
r.type("st")
r.rename("st", "stream")
r.renamenx("stream", "h")
r.copy("h", "hh", replace=True)
r.expire("h", 100, nx=True)
r.expire("h", 50, gt=True)
r.pexpireat("h", 4102444800000)
r.expiretime("h")
r.pexpiretime("h")
r.persist("h")
r.touch("h", "none")
r.unlink("hh")
r.object("encoding", "h")
r.dump("n") is not None if SYNC else 0
r.move("n", 1)
r.randomkey() is not None
r.publish("channel", "message")
r.pubsub_channels()
r.pubsub_numsub("channel")
r.pubsub_numpat()
r.eval("return {KEYS[1], ARGV[1], redis.call('get', KEYS[1])}", 1, "text", "arg")
r.eval("return redis.error_reply('MY error')", 0)
r.script_load("return 42")
r.evalsha("1fa00e76656cc152ad327c13fe365858fd7be306", 0)
r.script_exists("1fa00e76656cc152ad327c13fe365858fd7be306", "0" * 40)
r.eval_ro("return redis.call('get', KEYS[1])", 1, "text")
r.function_load("#!lua name=lib\\nredis.register_function('f', function(keys, args) return args[1] end)", replace=True)
r.fcall("f", 0, "x")
r.function_list(library="lib")
r.function_delete("lib")
r.register_script("return ARGV[1]")(args=["y"])
r.config_set("slowlog-log-slower-than", "-1")
r.config_get("slowlog-log-slower-than")
r.config_resetstat()
r.slowlog_len()
r.slowlog_reset()
r.latency_reset() if SYNC and hasattr(r, "latency_reset") else 0
r.memory_usage("text") > 0 if SYNC else 0
r.command_count() > 200 if SYNC else 0
r.command_getkeys("MSET", "a", "1", "b", "2")
r.client_setname("me")
r.client_getname()
r.client_no_evict("ON")
r.client_tracking_on() if PROTOCOL == 3 else 0
r.client_kill_filter(_type="pubsub")
r.client_info()["name"] if SYNC else 0
type(r.execute_command("MODULE", "LIST")) if SYNC else 0
r.execute_command("CLIENT", "SETINFO", "LIB-NAME", "insight")
r.config_get("databases")
r.execute_command("FT._LIST")
r.execute_command("CLUSTER", "INFO")
r.dbsize()
r.lastsave() is not None if SYNC else 0
r.time()[0] > 0 if SYNC else 0
r.wait(0, 10)
r.waitaof(0, 0, 10)
r.role()[0] if SYNC else 0
r.info("replication")["role"] if SYNC else 0
r.lpush("text", "x")
r.execute_command("NOSUCHCOMMAND", "x")
r.incr("text")
r.setex("short", 0, "x")
r.swapdb(0, 1)
r.dbsize()
r.flushdb()
r.flushall()
"""


def shown(value):
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(sorted(shown(member) for member in value)) + "}"
    if isinstance(value, dict):
        return "{" + ", ".join(sorted(f"{shown(k)}: {shown(v)}" for k, v in value.items())) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(shown(member) for member in value) + "]"
    return f"{type(value).__name__} {value!r}"


async def play(client, scope):
    for line in SESSION.strip().splitlines():
        try:
            print(line, "->", shown(await done(eval(line, {"r": client, **scope}))))
        except redis.RedisError as error:
            print(line, "-> raises", type(error).__name__, error)


async def done(value):
    return await value if inspect.isawaitable(value) else value


async def transactions(client):
    await done(client.set("watched", 1))
    pipe = client.pipeline(transaction=True)
    await done(pipe.watch("watched"))
    await done(client.set("watched", 2))
    pipe.multi()
    pipe.set("watched", 3)
    try:
        await done(pipe.execute())
        print("the watched key had changed")
    except redis.WatchError as error:
        print("WatchError", error)
    await done(pipe.reset())
    pipe.hset("h", mapping={"f": "1", "g": "2"}).hincrby("h", "f", 4).hgetall("h").lpush("h", "x")
    print(shown([str(reply) for reply in await done(pipe.execute(raise_on_error=False))]))
    await done(pipe.reset())


async def listening(client):
    pubsub = client.pubsub()
    await done(pubsub.subscribe("news"))
    await done(pubsub.psubscribe("n*"))
    for _ in range(2):
        print(shown(await done(pubsub.get_message(timeout=30))))
    await done(client.publish("news", "hello"))
    for _ in range(2):
        print(shown(await done(pubsub.get_message(timeout=30))))
    await done(pubsub.unsubscribe("news"))
    print(shown(await done(pubsub.get_message(timeout=30))))
    close = getattr(pubsub, "aclose", None) or pubsub.close
    await done(close())


async def main(port, protocol, way):
    library = redis if way == "sync" else redis.asyncio
    client = library.Redis(port=port, protocol=protocol, decode_responses=True)
    await done(client.flushall())
    await play(client, {"SYNC": way == "sync", "PROTOCOL": protocol})
    await transactions(client)
    await listening(client)
    if way == "asyncio":
        await client.aclose()
    print("done")


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
