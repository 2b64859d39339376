/* What all files of the codec need. */
#ifndef TINE_CODEC_BASE_H
#define TINE_CODEC_BASE_H

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#endif
