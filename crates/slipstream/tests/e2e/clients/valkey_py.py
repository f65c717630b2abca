"""What applications do with valkey-py, the sibling of redis-py, against the server on the port that is given.

An assertion that fails ends this with a traceback; its last line is `done`.
"""

import sys

import valkey

port = int(sys.argv[1])
for protocol in (2, 3):
    client = valkey.Valkey(port=port, protocol=protocol, decode_responses=True)
    client.flushall()

    assert client.set("a", "1", ex=100, nx=True) and not client.set("a", "2", nx=True)
    assert 0 < client.ttl("a") <= 100 and client.incr("a") == 2
    assert client.mset({"b": "x", "c": "y"}) and client.mget("a", "b", "none") == ["2", "x", None]

    with client.pipeline(transaction=True) as pipe:
        pipe.hset("h", mapping={"f": "1", "g": "2"}).hincrby("h", "f", 4).hgetall("h")
        assert pipe.execute() == [2, 5, {"f": "5", "g": "2"}]
    with client.pipeline() as pipe:
        pipe.watch("a")
        value = int(pipe.get("a"))
        client.set("a", "changed")
        pipe.multi()
        pipe.set("a", value + 1)
        try:
            pipe.execute()
            raise AssertionError("the watched key had changed")
        except valkey.WatchError:
            pass
    assert client.transaction(lambda pipe: (pipe.multi(), pipe.set("b", "z")), "b") == [True]

    assert client.zadd("z", {"one": 1, "two": 2.5, "many": float("inf")}) == 3
    assert [tuple(pair) for pair in client.zrange("z", 0, 1, withscores=True)] == [("one", 1.0), ("two", 2.5)]
    assert client.rpush("l", *range(5)) == 5 and client.lpop("l", 2) == ["0", "1"]
    assert client.sadd("s", "a", "b") == 2 and set(client.smembers("s")) == {"a", "b"}
    client.mset({f"many:{i}": i for i in range(3000)})
    assert len(set(client.scan_iter(match="many:*", count=100))) == 3000

    entry = client.xadd("x", {"field": "value"})
    assert client.xrange("x") == [(entry, {"field": "value"})] and client.xlen("x") == 1

    try:
        client.lpush("a", "x")
        raise AssertionError("it is a string")
    except valkey.ResponseError as error:
        assert str(error).startswith("WRONGTYPE"), error
    info = client.info("replication")
    assert info["role"] == "master" and info["connected_slaves"] == 0
    assert client.config_get("maxmemory") == {"maxmemory": "0"}
    assert any(entry["name"] == "" for entry in client.client_list())
    client.close()

print("done")
