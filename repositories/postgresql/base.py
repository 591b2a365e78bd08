"""The backend, as Django looks for it by the name of its package."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.postgresql import base
from psycopg import IsolationLevel
from psycopg.pq import TransactionStatus

from repositories.postgresql import parking, turns


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, which takes a connection that is parked before it makes one, and runs several
    statements in one turn."""

    _last: Sequence[turns.Statement] = ()
    _after: turns.Statement | None = None
    _rows_after: turns.Rows | None = None

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        # With a level of isolation of its own a connection is not like any other.
        if "isolation_level" not in self.settings_dict["OPTIONS"] and (raw := parking.take()):
            self.isolation_level = IsolationLevel.READ_COMMITTED
            return raw
        return super().get_new_connection(conn_params)

    @property
    def has_turns(self) -> bool:
        """Whether `run` can be used: nobody listens to each statement, and psycopg has nothing to
        say of its own with BEGIN."""
        return not (
            self.queries_logged
            or self.execute_wrappers
            or "isolation_level" in self.settings_dict["OPTIONS"]
        )

    def run(self, statements: Sequence[turns.Statement]) -> list[turns.Rows]:
        """Run the statements in one turn, with the BEGIN that Django has announced if they are the
        first of their transaction; the rows of each."""
        self.ensure_connection()
        self.validate_no_broken_transaction()
        raw = self.connection
        with self.wrap_database_errors:
            return turns.run(raw, statements, begin=self._is_idle() and not raw.autocommit)

    def _is_idle(self) -> bool:
        """Whether the connection is in no transaction, or in one of which no word was sent."""
        return bool(self.connection.info.transaction_status == TransactionStatus.IDLE)

    def run_on_end(self, statements: Sequence[turns.Statement]) -> None:
        """Run the statements in one turn with the COMMIT that comes next."""
        self._last = statements

    def look_after_commit(self, statement: turns.Statement) -> None:
        """Run the statement right after the COMMIT that comes next, if that has company anyway."""
        self._after = statement

    def take_rows_after_commit(self) -> turns.Rows | None:
        """What it found, once; None where it did not run."""
        rows, self._rows_after = self._rows_after, None
        return rows

    def _commit(self) -> None:
        last, after = self._forget_end()
        if not last:
            super()._commit()  # type: ignore[misc]
            return
        self.validate_no_broken_transaction()
        with self.wrap_database_errors:
            rows = turns.run(self.connection, last, begin=self._is_idle(), commit=True, after=after)
        self._rows_after = rows[-1] if after else None

    def _rollback(self) -> None:
        self._forget_end()
        super()._rollback()  # type: ignore[misc]

    def _forget_end(self) -> tuple[Sequence[turns.Statement], turns.Statement | None]:
        end = self._last, self._after
        self._last, self._after, self._rows_after = (), None, None
        return end

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
