"""What applications do with redis-py's clients for sentinels: they find the primary and the replicas, and go on
writing when another is the primary.

The first argument is `sync` or `asyncio`, the others are the sentinels' ports. The group's primary is moved and then
ended. An assertion that fails ends this with a traceback; its last line is `done`.
"""

import asyncio
import sys
import time

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel

GROUP = "mymaster"
LIMIT_S = 60


async def settled(value):
    """The value itself, or what is awaited."""
    return await value if hasattr(value, "__await__") else value


async def until(what, holds):
    deadline = time.monotonic() + LIMIT_S
    while not await holds():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


async def attempt(call):
    """Whether it comes to an end without an error of the connection or the role."""
    try:
        await settled(call())
        return True
    except (redis.ConnectionError, redis.TimeoutError, redis.ResponseError):
        return False


async def session(library, ports):
    sentinel = library.Sentinel([("127.0.0.1", port) for port in ports], socket_timeout=1)
    first = await settled(sentinel.discover_master(GROUP))
    assert len(await settled(sentinel.discover_slaves(GROUP))) == 2
    primary = sentinel.master_for(GROUP, socket_timeout=1, decode_responses=True)
    replica = sentinel.slave_for(GROUP, socket_timeout=1, decode_responses=True)
    assert await settled(primary.set("before", "1"))

    async def is_copied():
        return await settled(replica.get("before")) == "1"

    await until("the replica has it", is_copied)
    assert (await settled(replica.role()))[0] == "slave"

    async def has_moved():
        return await settled(sentinel.discover_master(GROUP)) != first

    async def ask(subcommand):
        return await settled(sentinel.sentinels[0].execute_command(f"SENTINEL {subcommand}", GROUP))

    state = await ask("MASTER")
    assert state["is_master"] and state["num-slaves"] == 2 and state["quorum"] == 2, state
    assert len(await ask("SLAVES")) == 2
    assert len(await ask("SENTINELS")) == len(ports) - 1
    await ask("CKQUORUM")
    assert await ask("FAILOVER")
    await until("another is the primary", has_moved)
    await until("writes are taken", lambda: attempt(lambda: primary.set("moved", "1")))

    second = await settled(sentinel.discover_master(GROUP))
    ended = library.Redis(host=second[0], port=second[1])
    await attempt(lambda: ended.shutdown(nosave=True, now=True, force=True))

    async def has_moved_again():
        try:
            return await settled(sentinel.discover_master(GROUP)) != second
        except library.MasterNotFoundError:
            return False

    await until("another is the primary again", has_moved_again)
    await until("writes are taken again", lambda: attempt(lambda: primary.set("ended", "1")))
    assert (await settled(primary.role()))[0] == "master"


def sync_library():
    library = redis.sentinel
    library.Redis = redis.Redis
    return library


def asyncio_library():
    library = redis.asyncio.sentinel
    library.Redis = redis.asyncio.Redis
    return library


library = {"sync": sync_library, "asyncio": asyncio_library}[sys.argv[1]]()
asyncio.run(session(library, [int(port) for port in sys.argv[2:]]))
print("done")
