// Which numbers the sessions of a table expect next, for each local Session ID apart: while ids are being changed, packets of
// the old and of the new session are on their way at once, each with numbers of its own (RFC 3931 section 4.6.1).
#pragma once

#include <vector>

#include "tunnel/sequencing.h"
#include "tunnel/session_table.h"

namespace isthmus::tunnel {

class SequenceReceivers {
  public:
    /// Numbers go on for every id that was received with before by the same session, as its only one or beside another; a
    /// new incarnation of the same id starts again.
    void adopt(const SessionTable& table) {
        std::vector<Ids> next(table.index_end());
        for (const SessionRow& row : table.sessions()) {
            Ids& ids = next[raw(row.index)];
            ids = {
                row.tunnel->index, row.incarnation, row.local_id, row.remote_id, row.other_local_id, {}, {}};
            if (raw(row.index) >= ids_.size()) continue;
            const Ids& before = ids_[raw(row.index)];
            if (before.tunnel == ids.tunnel) carry_over(before, ids);
        }
        ids_ = std::move(next);
    }
    /// `id`: that the packet came with; one of the two of `session`, which is in the table that was adopted last.
    [[nodiscard]] SequenceReceiver& of(const SessionRow& session, SessionId id) noexcept {
        Ids& ids = ids_[raw(session.index)];
        return id == ids.other ? ids.of_other : ids.of_local;
    }

  private:
    struct Ids {
        TunnelIndex tunnel = kNoTunnel;
        std::uint32_t incarnation = 0;
        SessionId local{};
        SessionId remote{};
        SessionId other{};  ///< 0: none
        SequenceReceiver of_local;
        SequenceReceiver of_other;
    };
    static void carry_over(const Ids& before, Ids& ids) noexcept {
        const bool same =
            before.local == ids.local && before.remote == ids.remote && before.incarnation == ids.incarnation;
        if (same) ids.of_local = before.of_local;
        if (before.other == ids.local) ids.of_local = before.of_other;
        if (ids.other == SessionId{}) return;
        if (before.local == ids.other) ids.of_other = before.of_local;
        if (before.other == ids.other) ids.of_other = before.of_other;
    }

    std::vector<Ids> ids_;  ///< by index
};

}  // namespace isthmus::tunnel
