rockspec_format = "3.0"
package = "tine"
version = "0.2.0-1"
source = {
  url = "git+https://tine.example/tine.git",
  tag = "v0.2.0",
}
description = {
  summary = "A process pool for Lua 5.4",
  detailed = [[
Tine runs Lua functions in parallel, in worker processes, as Python's
concurrent.futures.ProcessPoolExecutor does: submit a function, get a future.
The core is C: a fork server, shared-memory queues, one manager thread.]],
  license = "MIT",
  labels = { "parallel", "concurrency", "linux" },
}
supported_platforms = { "linux" }
dependencies = { "lua >= 5.4, < 5.5" }
external_dependencies = {
  MSGPACK = { header = "msgpack.h" },
}
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "RelWithDebInfo",
    TINE_TESTS = "OFF",
    TINE_INSTALL_LIBRARY = "OFF",
    TINE_INSTALL_LUADIR = "$(LUADIR)",
    TINE_INSTALL_LUACDIR = "$(LIBDIR)",
    TINE_INSTALL_BINDIR = "$(BINDIR)",
  },
}
