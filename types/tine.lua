---@meta tine

-- Definitions of the whole Lua interface for the Lua language server: add the folder `types` to its
-- setting `workspace.library`. docs/ says more about everything.
-- luacheck: ignore 212 241

---@class tine
---@field version string
---The worker that this code runs in; nil in the submitting process.
---@field worker tine.Worker?
local tine = {}

---@alias tine.Kind
---| "timeout" # a wait, or a task, has taken longer than allowed
---| "cancelled" # the task was cancelled or aborted
---| "shutdown" # a submit after the shutdown
---| "broken" # the pool is broken
---| "crashed" # the worker running this task died
---| "memory" # the task has used more memory than it may
---| "lost" # the host that ran the task was lost
---| "serialization" # a value cannot travel
---| "invalid_state" # not possible as things are
---| "system" # no process, memory or descriptor to be had
---| "forked" # a handle used in a forked child of its owner

---@alias tine.State
---| "pending" # no worker has taken the task up
---| "running"
---| "cancelled"
---| "finished" # it has returned, or failed

---A function, a callable table, a C function that a loaded module holds, or the text "module.field".
---@alias tine.Function function|string|table

---@class tine.Task
---@field id integer
---@field label string
---@field source string? file of the function
---@field line integer? where it begins

---@class tine.Error
---@field kind tine.Kind
---@field message string
---@field task tine.Task? the task that it is about
---@field worker integer? number of the worker that died
---@field pid integer? of the worker that died
---@field exit_code integer?
---@field signal integer? that killed it
---@field errno integer?
---@field cause any what an initializer or preload raised
---@field traceback string? of the cause, or of the place where a task was that was asked to end
---@field phase "pending"|"running"|nil of a timeout: whether the task was running
---@field cpu true? of a timeout: its processor time was spent
---@field limit integer? of `memory`: the bytes it was allowed
---@field used integer? of `memory`: the bytes it had when it was refused more

---@class tine.Worker
---@field id integer from 1
---@field pid integer
---@field state table lives as long as the worker
---@field task tine.Task the running task: its id and label; `seed`, when it has one
---@field pool tine.WorkerPool the pool that runs the task, for tasks of its own
---@field stopping fun(): boolean whether the task was asked to end
---@field emit fun(...) sends values to the task's future; waits while too many are unread
---@field progress fun(done: number, total?: number, text?: string) tells how far the task has come

---What a task submits belongs to it: what has not ended when it does is ended, too.
---@class tine.WorkerPool
local WorkerPool = {}

---@param fn function|string
---@param ... any
---@return tine.Future
function WorkerPool:submit(fn, ...) end

---As submit, which never has to wait here.
---@param fn function|string
---@param ... any
---@return tine.Future
function WorkerPool:try_submit(fn, ...) end

---@param fn function|string
---@param items table|function
---@param options tine.MapOptions?
---@return tine.Map
function WorkerPool:map(fn, items, options) end

---@param options tine.ViewOptions
---@return tine.WorkerPool
---@nodiscard
function WorkerPool:with(options) end

---@class tine.PoolOptions
---@field workers integer? at most so many; default: tine.cpu_count()
---@field initializer function? run in each new worker before its first task
---@field initargs table? list of its arguments; `n` counts when present
---@field max_tasks_per_worker integer? then it is replaced
---@field label string? names the tasks; default: made of the function
---@field timeout number? seconds that a task may run
---@field task_timeout number? another name of timeout
---@field deadline number? seconds from submit until a task must have ended
---@field grace number? seconds from when a task was asked to end until it is killed; default: 0.1
---@field priority integer? tasks with a higher one are taken first; default: 0
---@field group string? groups of the same priority take turns
---@field retry integer|table|nil how often a task that failed is tried again
---@field memory integer? bytes that a task may add to its Lua state
---@field cpu number? processor seconds that a task may use
---@field output "inherit"|"capture"|"prefix"|nil where goes what a task prints; default: "inherit"
---@field output_limit integer? bytes of captured output that are kept; default: 1 MiB
---@field seed integer|string|nil for the random numbers of tasks
---@field start_method "fork"|"spawn"|nil default: "fork"
---@field preload string[]|function|nil done once, before the first worker starts
---@field on_crash "break"|"replace"|nil default: "break"
---@field warnings boolean? whether workers show what `warn` says; default: as `tine -W`
---@field globals "named"|"none"|nil default: "named"
---@field max_pending integer? submit waits while so many tasks are unfinished
---@field ageing number? steps of 1 in priority gained in each second of waiting; default: 1
---@field on_callback_error fun(err: any, traceback: string)|nil default: writes to stderr
---@field start_timeout number? seconds until a new worker must be ready; default: none
---@field event_buffer integer? events of a task that are kept unread; default: 1000
---@field max_pending_bytes integer? submit waits while encoded calls of unfinished tasks would be more bytes
---@field idle_timeout number? seconds without a task after which a worker ends
---@field min_workers integer? so many stay though they are idle; default: 0
---@field max_worker_age number? seconds after which a worker is replaced
---@field max_worker_memory integer? resident bytes beyond which a worker is replaced
---@field finalizer function? run in each worker that ends in good order
---@field on_worker_exit function? told of each worker that has ended
---@field exit_timeout number? seconds until a leaving worker must be gone; default: 5
---@field spin number? seconds to yield before sleeping; default: 50e-6
---@field name string? in process titles and messages; default: "tine"
---@field trace string|false|nil file that what the pool does is traced to; default: what TINE_TRACE says
---@field backend string? workers on other machines: "gearman://HOST[:PORT][,HOST...]/SET"
---@field key string? with `backend`: the key file by which all that is sent is sealed
---@field window integer? with `backend`: tasks under way at most; default: twice the workers of all hosts
---@field connect_timeout number? with `backend`: seconds without a host after which pending tasks are lost; default: 10
---@field lost_after number? with `backend`: seconds of silence after which a host or server is lost; default: 15
---@field confirm boolean? with `backend`: hosts ask before they begin a task; default: true

---Make a pool of worker processes. Raises a Tine error if it cannot.
---@param options integer|tine.PoolOptions|nil the number of workers, or options
---@return tine.Pool
---@nodiscard
function tine.pool(options) end

---@class tine.WaitOptions
---@field timeout number? seconds
---@field return_when "all_completed"|"first_completed"|"first_exception"|nil default: "all_completed"

---Wait for futures. A timeout is no error here.
---@param futures tine.Future[]
---@param options tine.WaitOptions?
---@return tine.Future[] done in the given order, duplicates once
---@return tine.Future[] not_done
function tine.wait(futures, options) end

---Iterate over futures as they are done, each once. Raises a timeout error.
---@param futures tine.Future[]
---@param timeout number? seconds from the call
---@return tine.Completed
function tine.as_completed(futures, timeout) end

---What as_completed gives: an iterator that takes more futures while it runs.
---@class tine.Completed
---@overload fun(): tine.Future?
local Completed = {}

---More futures; one that was in already is not given again.
---@param ... tine.Future
---@return tine.Completed self
function Completed:add(...) end

---A future without a pool, to be settled with set_result or set_exception.
---@return tine.Future
---@nodiscard
function tine.future() end

---The kind of a Tine error, nil for any other value.
---@param err any
---@return tine.Kind?
---@nodiscard
function tine.kind(err) end

---Say how values with this metatable travel.
---@param name string
---@param metatable table
---@param encode (fun(value: any): any)? gives a plain value
---@param decode (fun(plain: any): any)? rebuilds it in the other process
function tine.register(name, metatable, encode, decode) end

---A function with all that travels with it, as bytes for the C library (TINE_ENCODED).
---@param fn function
---@return string
---@nodiscard
function tine.encode(fn) end

---Processors that this process may use: affinity mask and cgroup quota count.
---@return integer
---@nodiscard
function tine.cpu_count() end

---Memory that all processes see: `bytes` of them, zeros at first.
---@param bytes integer
---@return tine.Buffer
---@nodiscard
function tine.buffer(bytes) end

---An image of a table in memory that all processes see: read only, in memory once. What it gives reads like the table.
---@generic T: table
---@param value T
---@return T
---@nodiscard
function tine.freeze(value) end

---A plain copy of a frozen table.
---@generic T: table
---@param view T
---@return T
---@nodiscard
function tine.thaw(view) end

---What type() says of the value; of a frozen table "table".
---@param value any
---@return string
---@nodiscard
function tine.type(value) end

---Memory that all processes see. Positions count from 1, negative ones from the end; `#buf` is its size.
---@class tine.Buffer
local Buffer = {}

---Values as string.unpack gives them, and the position behind them.
---@param format string
---@param offset integer? default: 1
---@return any ...
function Buffer:get(format, offset) end

---Writes values as string.pack does.
---@param format string
---@param offset integer
---@param ... any
---@return integer offset the position behind them
function Buffer:set(format, offset, ...) end

---@param i integer? default: 1
---@param j integer? default: -1
---@return string
---@nodiscard
function Buffer:string(i, j) end

---@param offset integer
---@param text string
---@return integer offset the position behind it
function Buffer:write(offset, text) end

---@param byte integer 0 to 255
---@param i integer? default: 1
---@param j integer? default: -1
function Buffer:fill(byte, i, j) end

---Adds to the 8-byte integer there, atomically between all processes.
---@param offset integer 1 modulo 8
---@param n integer
---@return integer old
function Buffer:add(offset, n) end

---Sets the 8-byte integer there if it is what is expected, atomically between all processes.
---@param offset integer 1 modulo 8
---@param expected integer
---@param new integer
---@return boolean changed
---@return integer? now what is there, if it was not changed
function Buffer:compare(offset, expected, new) end

---Seconds of a clock that only goes forward.
---@return number
---@nodiscard
function tine.clock() end

---Stand still, without a process, in a task too. Runs no callbacks; Ctrl-C ends it.
---@param seconds number
function tine.sleep(seconds) end

---A line on stderr that tells how far a loop is, where that is a terminal.
---@class tine.Progress
local Progress = {}

---So many more (1) are done.
---@param n number?
function Progress:add(n) end

---So many more (1) have failed: they are done, too.
---@param n number?
function Progress:fail(n) end

---The last line.
function Progress:close() end

---@param total number?
---@return tine.Progress
---@nodiscard
function tine.progress(total) end

---@class tine.MapOptions
---@field chunksize integer? items that a worker takes at a time; default: by the time that tasks take
---@field buffersize integer? items read ahead at most
---@field timeout number? seconds for the whole iteration
---@field ordered boolean? default: true
---@field on_event (fun(i: integer, ...))? for what item i emits
---@field on_error "raise"|"return"|nil default: "raise"
---@field progress boolean|fun(done: integer, total: integer?, failed: integer)|nil a line on stderr, or who is told

---@class tine.ViewOptions
---@field label string? names the tasks; default: made of the function
---@field timeout number? seconds that a task may run
---@field deadline number? seconds from submit until a task must have ended
---@field grace number? seconds from when a task was asked to end until it is killed; default: 0.1
---@field priority integer? tasks with a higher one are taken first; default: 0
---@field group string? groups of the same priority take turns
---@field retry integer|table|nil how often a task that failed is tried again
---@field memory integer? bytes that a task may add to its Lua state
---@field cpu number? processor seconds that a task may use
---@field output "inherit"|"capture"|"prefix"|nil where goes what a task prints; default: "inherit"
---@field output_limit integer? bytes of captured output that are kept; default: 1 MiB
---@field seed integer|string|nil for the random numbers of tasks

---@class tine.ShutdownOptions
---@field wait boolean? default: true
---@field cancel_futures boolean? default: false
---@field timeout number? seconds to wait, then what is left is killed

---@class tine.WorkerInfo
---@field id integer
---@field pid integer
---@field state "starting"|"idle"|"running"|"ending"
---@field tasks integer that it has run
---@field task {id: integer, label: string}? what it runs
---@field since number? with `task`: since when, as tine.clock(); in `stats` always: since when it does what it does

---A worker as `stats` tells of it.
---@class tine.WorkerFigures: tine.WorkerInfo
---@field since number
---@field busy number the share of its time that tasks ran
---@field memory integer resident, in bytes
---@field host string

---How long something has taken, in seconds. Percentiles are within 3 %, the rest is exact.
---@class tine.Times
---@field count integer
---@field mean number
---@field max number
---@field p50 number
---@field p90 number
---@field p99 number
---@field p999 number

---@class tine.Stats
---@field submitted integer the sum of the next five
---@field pending integer
---@field running integer
---@field finished integer
---@field failed integer
---@field cancelled integer
---@field workers_started integer
---@field workers_lost integer that died unasked
---@field wait tine.Times of each attempt, until a worker took it up
---@field run tine.Times of each attempt, from then on
---@field round_trip tine.Times of each task that ran, from submit until its end was known here
---@field bytes_in integer into workers
---@field bytes_out integer out of workers
---@field by_kind table<string, integer> failures by kind; a task's own errors under `error`
---@field cpu number processor seconds of all workers, ended ones too, without programs that tasks start
---@field busy number the share of the workers' time that tasks ran, since the start
---@field workers tine.WorkerFigures[]

---A pool with a label or time limit for its tasks (pool:with).
---@class tine.View
local View = {}

---Schedule fn(...) to run in a worker. Raises `shutdown` or `broken`.
---@param fn tine.Function
---@param ... any
---@return tine.Future
function View:submit(fn, ...) end

---The same without waiting: nil and "full" where submit would wait for max_pending.
---@param fn tine.Function
---@param ... any
---@return tine.Future? future
---@return "full"? why
function View:try_submit(fn, ...) end

---Apply fn to each item: iterates over index, results...
---@param fn tine.Function
---@param items table|function a list, or an iterator
---@param options tine.MapOptions?
---@return tine.Results
function View:map(fn, items, options) end

---A view that keeps what these settings do not replace.
---@param options tine.ViewOptions
---@return tine.View
---@nodiscard
function View:with(options) end

---@class tine.Pool
local Pool = {}

---Schedule fn(...) to run in a worker. Raises `shutdown` or `broken`.
---@param fn tine.Function
---@param ... any
---@return tine.Future
function Pool:submit(fn, ...) end

---The same without waiting: nil and "full" where submit would wait for max_pending.
---@param fn tine.Function
---@param ... any
---@return tine.Future? future
---@return "full"? why
function Pool:try_submit(fn, ...) end

---Apply fn to each item: iterates over index, results...
---@param fn tine.Function
---@param items table|function a list, or an iterator
---@param options tine.MapOptions?
---@return tine.Results
function Pool:map(fn, items, options) end

---A view of the pool whose tasks carry these settings.
---@param options tine.ViewOptions
---@return tine.View
---@nodiscard
function Pool:with(options) end

---No more submits; running and queued tasks finish unless cancelled. Callable again.
---@param options tine.ShutdownOptions?
---@return boolean ended false: after `timeout` what was left was killed
function Pool:shutdown(options) end

---Wait until nothing is unfinished, what callbacks submit meanwhile included. The pool stays open.
---@param timeout number? seconds
---@return boolean finished
function Pool:join(timeout) end

---End the workers now with SIGTERM; unfinished futures fail with `broken`.
function Pool:terminate_workers() end

---End the workers now with SIGKILL; unfinished futures fail with `broken`.
function Pool:kill_workers() end

---Another number of workers; those too many end when their task is done.
---@param n integer
function Pool:resize(n) end

---Runs fn(...) once in each worker before its next task, and in each later one after its initializer.
---@param fn function|string
---@param ... any
---@return tine.Future
function Pool:everywhere(fn, ...) end

---Encode a value once, for all tasks: a handle that stands for it wherever it is sent.
---@param value any
---@return tine.Shared
---@nodiscard
function Pool:share(value) end

---A value that is sent once. In a task it is the value.
---@class tine.Shared
local Shared = {}

---The value as workers have it.
---@return any
---@nodiscard
function Shared:get() end

---Bytes that it takes in memory that all workers see.
---@return integer
---@nodiscard
function Shared:bytes() end

---Tasks that were submitted still get it; workers drop it when the last of them has ended.
function Shared:close() end

---@return tine.WorkerInfo[]
---@nodiscard
function Pool:workers() end

---@return tine.Stats
---@nodiscard
function Pool:stats() end

---What it has done, as text for a person, with advice.
---@return string
---@nodiscard
function Pool:report() end

---A descriptor that is readable when there is something to dispatch.
---@return integer
---@nodiscard
function Pool:fileno() end

---Run the callbacks that are due. Never blocks.
function Pool:dispatch() end

---For cqueues, which polls a pool as an object: the descriptor, nil when the pool has ended.
---@return integer?
function Pool:pollfd() end

---For cqueues: that the descriptor is to be readable.
---@return "r"
function Pool:events() end

---For cqueues: 0 when the pool has ended, so that there is nothing to wait for.
---@return 0?
function Pool:timeout() end

---For LuaSocket's select: the descriptor, -1 when the pool has ended.
---@return integer
function Pool:getfd() end

---For LuaSocket's select: is there something to dispatch already?
---@return boolean
function Pool:dirty() end

---What pool:map returns, for a generic `for`, and with methods of its own.
---@class tine.Results
---@overload fun(): integer?, ...
local Results = {}

---The list of first results, with `n`; or raises the first error.
---@return table
function Results:totable() end

---Cancel what has not started.
function Results:close() end

---@class tine.Future
local Future = {}

---The task's values. Raises what the task raised, or a Tine error.
---@param timeout number? seconds
---@return any ...
function Future:result(timeout) end

---`result` for a coroutine of an event loop to which the pool is attached (tine.luv, tine.cqueues, tine.copas), which
---goes on meanwhile; elsewhere `result` itself.
---@param timeout number? seconds
---@return any ...
function Future:await(timeout) end

---true, values... or false, error, traceback.
---@param timeout number? seconds
---@return boolean ok
---@return any ...
function Future:pcall(timeout) end

---nil on success; the error and the worker's traceback on failure.
---@param timeout number? seconds
---@return any err
---@return string? traceback
function Future:exception(timeout) end

---@return tine.State
---@nodiscard
function Future:state() end

---@return boolean
---@nodiscard
function Future:done() end

---@return boolean
---@nodiscard
function Future:running() end

---When and where the task was submitted, started and ended; what is not known yet is nil.
---@return { submitted: number?, started: number?, ended: number?, worker: integer?, host: string? }
function Future:times() end

---The attempts that have ended, of a task with retries.
---@return { worker: integer?, pid: integer?, host: string?, started: number?, seconds: number?, error: any }[]
function Future:attempts() end

---What the task has told last of how far it has come; nothing when it has told nothing.
---@return number? done
---@return number? total
---@return string? text
function Future:progress() end

---Iterator over what the task emits: waits for each; ends when it is done and all were given.
---@return fun(): ...
function Future:events() end

---Calls fn(future, ...) for each event, before the done callbacks.
---@param fn fun(future: tine.Future, ...)
function Future:on_event(fn) end

---What the task, in its last attempt, and the programs that it started have printed, if that is captured; nil before
---the end.
---@return string?
---@nodiscard
function Future:output() end

---@return boolean
---@nodiscard
function Future:cancelled() end

---True if the task had not started, and now never will.
---@return boolean
function Future:cancel() end

---End the task: one that runs is asked to end, and after its `grace` killed with its worker. False if it was done.
---@return boolean
function Future:abort() end

---Submits fn with this future's first result, and what follows, on its own pool.
---@param fn tine.Function
---@param ... any
---@return tine.Future
function Future:chain(fn, ...) end

---Call fn(future) once when the future is done.
---@param fn fun(future: tine.Future)
function Future:add_done_callback(fn) end

---Of a future without a pool: false when it has been cancelled, and the work is to be left.
---@return boolean
function Future:set_running_or_notify_cancel() end

---Of a future without a pool: it has these values.
---@param ... any
function Future:set_result(...) end

---Of a future without a pool: it has failed.
---@param err any
---@param traceback string?
function Future:set_exception(err, traceback) end

return tine
