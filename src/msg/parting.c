#include "msg/parting.h"

static const char *const names[PART_COUNT] = {[PART_NONE] = "",
                                              [PART_TASKS] = "max_tasks",
                                              [PART_MEMORY] = "memory",
                                              [PART_IDLE] = "idle",
                                              [PART_AGE] = "age",
                                              [PART_RESIZE] = "resize",
                                              [PART_SHUTDOWN] = "shutdown",
                                              [PART_TIMEOUT] = "timeout",
                                              [PART_CANCELLED] = "cancelled",
                                              [PART_CRASH] = "crash",
                                              [PART_INITIALIZER] = "initializer",
                                              [PART_KILLED] = "killed"};

const char *tine__parting_name(enum parting why) {
    return names[why];
}
