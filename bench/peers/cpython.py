"""What CPython's ProcessPoolExecutor does (fork, two workers): prints lines of `measure value`.

Times are in seconds, memory in bytes, rates per second. The measures are those of bench/tine.lua.
"""
import concurrent.futures
import multiprocessing
import os
import statistics
import sys
import time

NOOPS = 6000
ROUND_TRIPS = 1500
MAP_ITEMS = 1_000_000
MAP_CHUNKS = (1000, 5000, 20000)
HOLD = 0.02  # a first task holds its worker so long, so that each worker gets one
TASKS_10MS = 60


def noop(*_):
    return None


def echo(value):
    return value


def increment(n):
    return n + 1


def hold(_):
    start = time.monotonic()
    time.sleep(HOLD)
    return start, time.monotonic(), os.getpid()


def spin(count):
    total = 0
    for i in range(count):
        total += i & 7
    return total


def executor(workers=2):
    context = multiprocessing.get_context("fork")
    return concurrent.futures.ProcessPoolExecutor(workers, mp_context=context)


def report(measure, value):
    print(measure, value, flush=True)


def timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def median_time(function, repeats):
    return statistics.median(timed(function) for _ in range(repeats))


def start_and_stop(workers):
    """From nothing to the first result of each worker, without the time that the tasks held them."""
    start = time.monotonic()
    pool = executor(workers)
    futures = [pool.submit(hold, i) for i in range(workers)]
    results = [future.result() for future in futures]
    elapsed = time.monotonic() - start
    held = min(end - begin for begin, end, _ in results)
    stop = timed(pool.shutdown)
    return elapsed - held, stop


def pss(pid):
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def records(count):
    return [{"id": i, "name": f"name {i}", "score": i / 3, "tags": ["a", "b"], "ok": i % 2 == 0} for i in range(count)]


def noops(pool):
    for future in [pool.submit(noop) for _ in range(NOOPS)]:
        future.result()


def calibrate(seconds):
    """How far `spin` counts in so many seconds."""
    count = 10000
    return int(count * seconds / min(timed(lambda: spin(count)) for _ in range(20)))


def scaling():
    count = calibrate(0.01)
    times = []
    for workers in (1, 2):
        with executor(workers) as pool:
            list(pool.map(noop, range(4 * workers)))
            times.append(timed(lambda: list(pool.map(spin, [count] * TASKS_10MS))))
    return times[0] / times[1]


def main():
    for workers in (2, 8):
        starts, stops = zip(*(start_and_stop(workers) for _ in range(5)))
        report(f"start_{workers}", statistics.median(starts))
        report(f"stop_{workers}", statistics.median(stops))
    with executor() as pool:
        pids = {pid for _, _, pid in pool.map(hold, range(2))}
        report("pss", max(pss(pid) for pid in pids))
        report("noops", NOOPS / timed(lambda: noops(pool)))
        trips = sorted(timed(lambda: pool.submit(noop).result()) for _ in range(ROUND_TRIPS))
        report("round_trip", trips[len(trips) // 2])
        report("round_trip_p99", trips[len(trips) * 99 // 100])
        text, table = b"x" * (1 << 20), records(1000)
        report("echo_1m", median_time(lambda: pool.submit(echo, text).result(), 30))
        report("echo_records", median_time(lambda: pool.submit(echo, table).result(), 30))
        best = min(
            timed(lambda: list(pool.map(increment, range(MAP_ITEMS), chunksize=size))) for size in MAP_CHUNKS
        )
        report("map", MAP_ITEMS / best)
    report("scaling", scaling())


if __name__ == "__main__":
    sys.exit(main())
