/* Images of frozen tables, with anything in them: whatever the bytes are, reading gives some value or an error.
**
** With -DTINE_LIBFUZZER a libFuzzer target: fuzz_image tests/fuzz/images. Else a test that damages a good image in
** many ways, the same for each seed:
**
**     test_data_image [-n images] [-s seed]
*/
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "data/image.h"
#include "data/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a program does with a frozen table: all of it, a bounded number of times. */
static const char walker[] =
    "local view, thaw = ...\n"
    "local keys = { 1, 2, 7, -1, 1.5, true, false, 'a', 'id', 'name', '', math.maxinteger, ('k'):rep(50) }\n"
    "local left = 300\n"
    "local function walk(v)\n"
    "  left = left - 1\n"
    "  if left < 0 then return end\n"
    "  pcall(function() return #v, v == view end)\n"
    "  for i = 1, #keys do pcall(function() return v[keys[i]] end) end\n"
    "  pcall(function()\n"
    "    local n = 0\n"
    "    for k, x in pairs(v) do\n"
    "      n = n + 1\n"
    "      pcall(function() return v[k] end)\n"
    "      if type(x) == 'userdata' then walk(x) end\n"
    "      if n > 300 then break end\n"
    "    end\n"
    "  end)\n"
    "end\n"
    "walk(view)\n"
    "pcall(thaw, view)\n";

static int read_image(lua_State *L) {
    struct region *r = *(struct region **)lua_touserdata(L, 1);
    *(struct region **)lua_touserdata(L, 1) = NULL;
    tine__view_push(L, r, 0);
    if (luaL_loadbuffer(L, walker, sizeof walker - 1, "=walker") != LUA_OK)
        abort();
    lua_insert(L, -2);
    lua_pushcfunction(L, tine__thaw);
    lua_call(L, 2, 0);
    return 0;
}

static lua_State *state(void) {
    static lua_State *L;
    static unsigned runs;
    if (L && ++runs % 1000 == 0) {
        lua_close(L);
        L = NULL;
    }
    if (!L) {
        L = luaL_newstate();
        luaL_openlibs(L);
    }
    return L;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    lua_State *L = state();
    struct region *r;
    char *bytes = malloc(size + 1);
    if (!bytes)
        abort();
    memcpy(bytes, data, size);
    if (tine__region_new(&r, REGION_IMAGE, size) || tine__region_seal(r, bytes))
        abort();
    lua_pushcfunction(L, read_image);
    lua_pushlightuserdata(L, &r);
    (void)lua_pcall(L, 1, 0, 0); /* its head may be wrong */
    lua_settop(L, 0);
    lua_gc(L, LUA_GCSTEP, 100);
    free(bytes);
    return 0;
}

#ifndef TINE_LIBFUZZER

static const char source[] =
    "local shared = { 'shared', 2.5 }\n"
    "local t = { 1, 2, nil, 4, 'five', id = 7, name = 'seven', a = shared, b = shared, [1.5] = true, [true] = 0 / 0,\n"
    "  [-1] = math.mininteger, [math.maxinteger] = -(0 / 0), [('k'):rep(50)] = ('v'):rep(60), [''] = {} }\n"
    "t.self = t\n"
    "for i = 1, 20 do t[#t + 1] = { id = i, name = 'name ' .. i } end\n"
    "for i = 1, 30 do t['key' .. i] = i * 0.5 end\n"
    "return t";

static uint64_t seed = 1;

static uint64_t any(uint64_t below) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

/* A word that is likely to do harm. */
static uint64_t bad_word(const char *image, size_t size) {
    uint64_t other, places = size / 8;
    memcpy(&other, image + 8 * any(places), 8);
    switch (any(8)) {
    case 0:
        return any(UINT64_MAX);
    case 1:
        return other;
    case 2:
        return image_value((enum image_tag)any(8), any(size + 64));
    case 3:
        return image_value((enum image_tag)any(8), 8 * any(places + 8));
    case 4:
        return any(size) | any(4) << 48;
    case 5:
        return any(300) | any(300) << 32;
    case 6:
        return other + any(17) - 8;
    default:
        return UINT64_MAX - any(16);
    }
}

static void damage(char *image, size_t size) {
    for (uint64_t n = 1 + any(4); n > 0; n--) {
        uint64_t word = bad_word(image, size);
        if (any(3))
            memcpy(image + 8 * any(size / 8), &word, 8);
        else if (any(2))
            memcpy(image + 4 * any(size / 4), &word, 4);
        else
            image[any(size)] = (char)word;
    }
}

int main(int argc, char **argv) {
    unsigned long images = 1000;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "-n") == 0)
            images = strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "-s") == 0)
            seed = strtoull(argv[i + 1], NULL, 10) * 2 + 1;
    }
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    if (luaL_dostring(L, source) != LUA_OK || tine__freeze(L, 1))
        return fprintf(stderr, "no image: %s\n", lua_tostring(L, -1)), 1;
    const struct region *good = tine__data_of(L, -1, NULL);
    size_t size = (size_t)good->size;
    char *image = malloc(size);
    if (!image)
        return 1;
    for (unsigned long i = 0; i < images; i++) {
        size_t whole = any(50) ? size : any(size) & ~(size_t)7;
        uint64_t length = whole;
        memcpy(image, good->base, size);
        if (any(10))
            memcpy(image + 8, &length, 8);
        if (i > 0 && whole > 64)
            damage(image + (any(4) ? 32 : 0), whole - 32);
        LLVMFuzzerTestOneInput((const uint8_t *)image, whole);
    }
    free(image);
    lua_close(L);
    return 0;
}

#endif
