/* LD_PRELOAD for strongSwan's charon on a kernel that has XFRM's netlink but no ESP: such a kernel refuses to install an SA,
 * and charon then refuses the child. Here the refusals of SA messages, and only those, become success. Negotiation, rekeying
 * and deletion are then real in every mode; no data flows.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <sys/socket.h>

static int is_xfrm(int fd)
{
    const int before = errno;
    int domain = 0, protocol = -1;
    socklen_t size = sizeof domain;
    int yes = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_NETLINK;
    size = sizeof protocol;
    yes = yes && getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == NETLINK_XFRM;
    errno = before;
    return yes;
}

static int excused(int message, int error)
{
    if (message == XFRM_MSG_DELSA)
        return error == -ESRCH;
    if (message != XFRM_MSG_NEWSA && message != XFRM_MSG_UPDSA)
        return 0;
    return error == -ENOSYS || error == -EPROTONOSUPPORT || error == -ESRCH;
}

static void mend(void *answer, ssize_t length)
{
    struct nlmsghdr *header = answer;
    for (int left = (int)length; left > 0 && NLMSG_OK(header, (unsigned)left); header = NLMSG_NEXT(header, left)) {
        struct nlmsgerr *error = NLMSG_DATA(header);
        if (header->nlmsg_type != NLMSG_ERROR || header->nlmsg_len < NLMSG_LENGTH(sizeof *error))
            continue;
        if (excused(error->msg.nlmsg_type, error->error))
            error->error = 0;
    }
}

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    ssize_t (*next)(int, void *, size_t, int) = dlsym(RTLD_NEXT, "recv");
    const ssize_t length = next(fd, buffer, size, flags);
    if (length > 0 && is_xfrm(fd))
        mend(buffer, length);
    return length;
}

ssize_t recvfrom(int fd, void *restrict buffer, size_t size, int flags, struct sockaddr *restrict from,
                 socklen_t *restrict from_size)
{
    ssize_t (*next)(int, void *, size_t, int, struct sockaddr *, socklen_t *) = dlsym(RTLD_NEXT, "recvfrom");
    const ssize_t length = next(fd, buffer, size, flags, from, from_size);
    if (length > 0 && is_xfrm(fd))
        mend(buffer, length);
    return length;
}
