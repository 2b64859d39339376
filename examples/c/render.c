/* Renders the Mandelbrot set into a PNG picture: one Lua task for each row.
**
**     render 640 480 > mandelbrot.png
*/
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <tine.h>
#include "png.h"

/* Gets the number of a row and the size of the picture, returns the row as a string of steps: 0 in the set, else 1 (slow)
** to 255. */
static const char row_source[] = "local y, width, height = ...\n"
                                 "local row, ci = {}, 2.4 * y / height - 1.2\n"
                                 "for x = 0, width - 1 do\n"
                                 "  local cr, zr, zi, n = 3.2 * x / width - 2.2, 0.0, 0.0, 0\n"
                                 "  while n < 255 and zr * zr + zi * zi < 4 do\n"
                                 "    zr, zi, n = zr * zr - zi * zi + cr, 2 * zr * zi + ci, n + 1\n"
                                 "  end\n"
                                 "  row[x + 1] = string.char(255 - n)\n"
                                 "end\n"
                                 "return table.concat(row)\n";

static tine_future *submit_row(tine_pool *pool, int y, int width, int height) {
    tine_task task = TINE_TASK_INIT;
    tine_future *future = NULL;
    msgpack_sbuffer args;
    msgpack_packer packer;
    msgpack_sbuffer_init(&args);
    msgpack_packer_init(&packer, &args, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 3);
    msgpack_pack_int(&packer, y);
    msgpack_pack_int(&packer, width);
    msgpack_pack_int(&packer, height);
    task.function = row_source;
    task.args = args.data;
    task.args_length = args.size;
    task.label = "row";
    int err = tine_submit(pool, &task, &future);
    if (err)
        fprintf(stderr, "render: %s\n", tine_error_text(err));
    msgpack_sbuffer_destroy(&args);
    return future;
}

/* Wait for a row and write it. Frees the future. */
static int write_row(struct png *picture, tine_future *future) {
    int good = 0;
    size_t length;
    msgpack_unpacked values;
    if (!future || tine_future_wait(future, -1) != 0)
        return 0;
    if (tine_future_code(future) != 0)
        fprintf(stderr, "render: %s\n", tine_future_message(future));
    const void *bytes = tine_future_values(future, &length);
    msgpack_unpacked_init(&values);
    if (tine_future_code(future) == 0 &&
        msgpack_unpack_next(&values, bytes, length, NULL) == MSGPACK_UNPACK_SUCCESS) {
        const msgpack_object_str *row = &values.data.via.array.ptr[0].via.str;
        good = row->size == picture->width && png_row(picture, row->ptr);
    }
    msgpack_unpacked_destroy(&values);
    tine_future_free(future);
    return good;
}

/* The set is black; around it the colours go from bright, where points leave slowly, to blue. */
static void make_palette(unsigned char palette[256][3]) {
    memset(palette[0], 0, 3);
    for (int n = 1; n < 256; n++) {
        int left = 255 - n; /* small far away from the set */
        palette[n][0] = (unsigned char)(left < 64 ? left * 4 : 255);
        palette[n][1] = (unsigned char)(left < 128 ? left * 2 : 255);
        palette[n][2] = (unsigned char)(left < 32 ? 64 + left * 5 : 224 - left / 2);
    }
}

static int render(tine_pool *pool, int width, int height) {
    unsigned char palette[256][3];
    struct png picture;
    int good = 1;
    tine_future **rows = calloc((size_t)height, sizeof *rows);
    if (!rows)
        return 0;
    for (int y = 0; y < height; y++)
        rows[y] = submit_row(pool, y, width, height);
    make_palette(palette);
    png_begin(&picture, stdout, (unsigned)width, (unsigned)height, palette);
    for (int y = 0; y < height; y++) /* in order, while later ones are still being computed */
        good &= write_row(&picture, rows[y]);
    free(rows);
    return png_end(&picture) && good;
}

int main(int argc, char **argv) {
    int width = argc > 1 ? atoi(argv[1]) : 640, height = argc > 2 ? atoi(argv[2]) : 480;
    tine_pool *pool;
    if (width < 1 || height < 1 || isatty(STDOUT_FILENO)) { /* `--help` is no number either */
        fprintf(stderr, "usage: render [width [height]] > FILE.png      (640 480)\n");
        return argc > 1 && !strcmp(argv[1], "--help") ? 0 : 2;
    }
    int err = tine_pool_open(&pool, NULL);
    if (err) {
        fprintf(stderr, "render: %s\n", tine_error_text(err));
        return 1;
    }
    int good = render(pool, width, height);
    tine_pool_close(pool);
    return good ? 0 : 1;
}
