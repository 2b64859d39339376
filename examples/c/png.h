/* PNG pictures with a palette, row by row: as much of the format as the example needs. The data are stored, not
** compressed, so a row is written as soon as it is there. */
#ifndef EXAMPLE_PNG_H
#define EXAMPLE_PNG_H

#include <stdint.h>
#include <stdio.h>

struct png {
    FILE *file;
    unsigned width;
    uint32_t crc, a, b; /* of the chunk; of all data */
};

static void png_bytes(struct png *p, const void *bytes, size_t n) {
    const unsigned char *byte = bytes;
    fwrite(bytes, 1, n, p->file);
    for (size_t i = 0; i < n; i++) {
        p->crc ^= byte[i];
        for (int bit = 0; bit < 8; bit++)
            p->crc = p->crc & 1 ? 0xEDB88320u ^ (p->crc >> 1) : p->crc >> 1;
    }
}

static void png_u32(struct png *p, uint32_t n) {
    unsigned char bytes[4] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16),
                              (unsigned char)(n >> 8), (unsigned char)n};
    png_bytes(p, bytes, 4);
}

static void png_chunk(struct png *p, const char *kind, uint32_t length) {
    png_u32(p, length);
    p->crc = 0xFFFFFFFFu;
    png_bytes(p, kind, 4);
}

static void png_chunk_end(struct png *p) {
    png_u32(p, ~p->crc);
}

/* The head of a stored block of so many bytes (65,535 at most). */
static void png_block(struct png *p, unsigned length, int last) {
    unsigned char head[5] = {(unsigned char)last, (unsigned char)length,
                             (unsigned char)(length >> 8), (unsigned char)~length,
                             (unsigned char)(~length >> 8)};
    png_bytes(p, head, 5);
}

static void png_begin(struct png *p, FILE *file, unsigned width, unsigned height,
                      unsigned char palette[256][3]) {
    *p = (struct png){file, width, 0, 1, 0};
    fwrite("\211PNG\r\n\032\n", 1, 8, file);
    png_chunk(p, "IHDR", 13);
    png_u32(p, width);
    png_u32(p, height);
    png_bytes(p, "\010\003\0\0\0", 5); /* 8 bits, of a palette */
    png_chunk_end(p);
    png_chunk(p, "PLTE", 768);
    png_bytes(p, palette, 768);
    png_chunk_end(p);
    png_chunk(p, "IDAT", 2);
    png_bytes(p, "\170\001", 2);
    png_chunk_end(p);
}

/* One byte a point; false when it cannot be written. Rows of up to 65,534 points. */
static int png_row(struct png *p, const char *row) {
    png_chunk(p, "IDAT", p->width + 6);
    png_block(p, p->width + 1, 0);
    png_bytes(p, "", 1); /* no filter */
    png_bytes(p, row, p->width);
    png_chunk_end(p);
    p->b = (p->b + p->a) % 65521;
    for (unsigned i = 0; i < p->width; i++) {
        p->a = (p->a + (unsigned char)row[i]) % 65521;
        p->b = (p->b + p->a) % 65521;
    }
    return !ferror(p->file);
}

static int png_end(struct png *p) {
    png_chunk(p, "IDAT", 9);
    png_block(p, 0, 1);
    png_u32(p, p->b << 16 | p->a);
    png_chunk_end(p);
    png_chunk(p, "IEND", 0);
    png_chunk_end(p);
    return fflush(p->file) == 0;
}

#endif
