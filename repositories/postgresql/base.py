"""The backend, as Django looks for it by the name of its package."""

from typing import Any

from django.db.backends.postgresql import base
from psycopg import IsolationLevel
from psycopg.pq import TransactionStatus

from repositories.postgresql import parking


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, which takes a connection that is parked before it makes one."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        # With a level of isolation of its own a connection is not like any other.
        if "isolation_level" not in self.settings_dict["OPTIONS"] and (raw := parking.take()):
            self.isolation_level = IsolationLevel.READ_COMMITTED
            return raw
        return super().get_new_connection(conn_params)

    def park(self) -> None:
        """Let go of the connection, and have the next thread of this process take it.

        In no transaction. One that had trouble is closed.
        """
        raw = self.connection
        if raw is None or self.errors_occurred or self.in_atomic_block:
            self.close()
            return
        if raw.info.transaction_status != TransactionStatus.IDLE or not parking.leave(raw):
            self.close()
            return
        self.connection = None
        self.run_on_commit = []
