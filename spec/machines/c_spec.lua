-- Programs in C whose workers are on other machines: what runs everywhere, rows of workers, lines behind prefixes,
-- who is to blame.
local machines = require "spec.support.machines"
local markdown = require "spec.support.markdown"
local shell = require "spec.support.shell"
local quote = shell.quote

if machines.are_missing(pending) then return end

local root = os.getenv "TINE_SOURCE_DIR" or "."
local tree = assert(os.getenv "TINE_TREE", "run with scripts/test")

local PROGRAM = [[
#include <assert.h>
#include <stdio.h>
#include <tine.h>

static void run(tine_pool *pool, const char *source, int output) {
    tine_task task = TINE_TASK_INIT;
    tine_future *f;
    task.kind = TINE_SOURCE;
    task.function = source;
    task.label = "the task";
    task.output = output;
    assert(tine_submit(pool, &task, &f) == 0);
    assert(tine_future_wait(f, 20) == 0);
    tine_blame blame = {.size = sizeof blame};
    if (tine_future_blame(f, &blame) == 0)
        printf("%s on %s, exit code %d\n", tine_error_kind(tine_future_code(f)), blame.host, blame.exit_code);
    else if (tine_future_code(f) != 0)
        printf("failed: %s\n", tine_future_message(f));
    tine_future_free(f);
}

int main(int argc, char **argv) {
    tine_options options = TINE_OPTIONS_INIT;
    tine_pool *pool;
    tine_task bump = TINE_TASK_INIT;
    tine_future *every;
    tine_worker rows[4];
    (void)argc;
    options.backend = argv[1];
    assert(tine_pool_open(&pool, &options) == 0);
    bump.kind = TINE_SOURCE;
    bump.function = "local s = require 'tine'.worker.state s.c = (s.c or 0) + 1";
    assert(tine_pool_everywhere(pool, &bump, &every) == 0);
    assert(tine_future_wait(every, 20) == 0);
    tine_future_free(every);
    run(pool, "assert(require 'tine'.worker.state.c == 1)", TINE_OUTPUT_INHERIT);
    run(pool, "assert(require 'tine'.worker.state.c == 1) print 'a line'", TINE_OUTPUT_PREFIX);
    int n = tine_pool_workers(pool, rows, 4, sizeof rows[0]);
    for (int i = 0; i < n && i < 4; i++)
        printf("%s %u %s\n", rows[i].host, rows[i].id, rows[i].state);
    run(pool, "os.exit(3)", TINE_OUTPUT_INHERIT);
    tine_pool_close(pool);
    return 0;
}
]]

describe("a C program", function()
  if (os.getenv "TINE_SANITIZE" or "") ~= "" then
    return pending "a program that is not built with the sanitizer cannot load the library"
  end
  local folder, server, host = os.tmpname(), nil, nil
  setup(function()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
    server = machines.server()
    host = machines.host(server, "-j 1")
  end)
  teardown(function()
    machines.stop()
    os.execute("rm -r " .. folder)
  end)

  it("has what runs everywhere run there, and sees workers, lines and ends of theirs", function()
    markdown.write(folder, "program.c", PROGRAM)
    local compiled = markdown.run(folder, ("cc -std=gnu11 -Wall -Wextra -Werror -I%s/include program.c -o program"
      .. " -L%s/lib -ltine -Wl,-rpath,%s/lib"):format(quote(root), quote(tree), quote(tree)))
    assert(compiled.code == 0, compiled.err)
    local got = markdown.run(folder, "./program " .. quote(server:url()))
    assert.equal(("[the task] a line\n%s 1 idle\ncrashed on %s, exit code 3\n"):format(host.name, host.name),
      got.out .. got.err)
    assert.equal(0, got.code)
  end)
end)
