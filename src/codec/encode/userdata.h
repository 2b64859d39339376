/* Encoding of userdata, light userdata and coroutines: by name, as a value of a registered class,
** or, for buffers, frozen tables and shared values, by their id. All others are errors.
*/
#ifndef TINE_CODEC_ENCODE_USERDATA_H
#define TINE_CODEC_ENCODE_USERDATA_H

struct encoder;
struct step;

int tine__encode_userdata(struct encoder *e, int idx, const struct step *step);
int tine__encode_light(struct encoder *e, int idx, const struct step *step);
int tine__encode_thread(struct encoder *e, int idx, const struct step *step);

#endif
