/* The far site: reports that wait to be given, mostly about losses. */
#include <string.h>
#include "base/sys.h"
#include "site/far/internal.h"

static struct far_news *add_news(struct far *f, const struct report *r, uint32_t more,
                                 const char *text) {
    size_t n = text ? strlen(text) : 0;
    struct far_news *news = sys.calloc(1, sizeof *news + n + 1);
    if (!news) /* the pool has no memory for anything: let it end */
        return f->ending = true, NULL;
    news->r = *r;
    news->more = more;
    if (text) {
        memcpy(news->bytes, text, n + 1);
        news->r.bytes = news->bytes;
        news->r.length = n;
    }
    list_push(&f->news, &news->node);
    return news;
}

void tine__far_tell(struct far *f, enum report_kind kind, const char *text) {
    const struct report r = {.kind = kind, .worker = FAR_WORKER};
    add_news(f, &r, 0, text);
}

struct report tine__far_report_of(const struct far_sending *s, enum report_kind kind) {
    return (struct report){.kind = kind,
                           .worker = FAR_WORKER,
                           .ref = s->ref,
                           .id = s->id + s->next,
                           .host = s->line ? s->line->name : s->host,
                           .server = s->server->conn.address->name};
}

void tine__far_lose(struct far *f, struct far_sending *s, const char *why) {
    if (s->dead)
        return;
    struct report r = tine__far_report_of(s, REPORT_AWAY);
    if (s->next < s->count)
        add_news(f, &r, s->count - s->next - 1, why);
    tine__far_forget(f, s);
}

void tine__far_leave_behind(struct far *f, struct far_sending *s) {
    struct report r = tine__far_report_of(s, REPORT_LOST);
    r.id = s->stage == FAR_SENT ? s->id : s->id + s->count;
    add_news(f, &r, 0, NULL);
    tine__far_forget(f, s);
}

/* How often has this task come back? */
static unsigned count_bounce(struct far *f, const struct far_sending *s) {
    uint64_t id = s->id + s->next, i = id % FAR_BOUNCES;
    if (f->bounces[i].id != id) {
        f->bounces[i].id = id;
        f->bounces[i].n = 0;
    }
    return ++f->bounces[i].n;
}

void tine__far_bounce(struct far *f, struct far_sending *s) {
    if (s->dead)
        return;
    bool given = s->handle[0] != 0; /* else no server has taken it, so no host has refused it */
    if (given && count_bounce(f, s) > FAR_BOUNCES_MOST) {
        tine__far_lose(f, s, "whoever is given it hands it back");
        return;
    }
    struct report r = tine__far_report_of(s, REPORT_STOPPED);
    add_news(f, &r, 0, NULL);
    tine__far_forget(f, s);
}

/* Give the next report that waits. */
bool tine__far_next_news(struct far *f, struct report *r) {
    free(f->told);
    f->told = NULL;
    if (list_empty(&f->news))
        return false;
    struct far_news *news = LIST_ITEM(f->news.next, struct far_news, node);
    *r = news->r;
    if (news->more > 0) {
        news->more--;
        news->r.id++;
    } else {
        list_remove(&news->node);
        f->told = news; /* its bytes are being read */
    }
    return true;
}
