"""What all pages of Django's admin site have in common: they are made for looking things up.

A table is never counted as a whole, a list costs a few queries however long it is, and what can be
changed at all is changed by the domain functions, which check, and write the audit log.
"""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.utils.functional import cached_property
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from accounts.web.principal import principal_of
from repositories.access import Principal

M = TypeVar("M", bound=Model)

# What the filters beside a list put into its address.
_FILTERS = ("", "__exact", "__isnull", "__in", "__gte", "__lt")


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts so far and no further. What lies beyond is found by searching."""

    MOST = 10_000

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Model] = self.object_list  # type: ignore[assignment]
        return rows[: self.MOST].count()


class LookUpAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A list with a search, and a page for each row. Nothing can be added, changed or deleted."""

    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50
    ordering: ClassVar[tuple[str, ...]] = ("-pk",)

    def has_add_permission(self, request: Any, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Nothing but the filters: `?secret_hash__startswith=` would tell a hash bit by bit."""
        return any(
            lookup == f"{field}{suffix}"
            for field in self.list_filter
            if isinstance(field, str)
            for suffix in _FILTERS
        )

    def apply(
        self, request: Any, chosen: QuerySet[M], function: Callable[[Principal, M], object]
    ) -> None:
        """Do something to each chosen row, by a domain function, and say what became of it."""
        principal, done = principal_of(request), []
        for row in chosen:
            name = str(row)
            try:
                function(principal, row)
            except ValidationError as error:
                self._refused(request, name, " ".join(error.messages))
            except PermissionDenied as error:
                self._refused(request, name, str(error))
            else:
                done.append(name)
        if done:
            text = _("Done: %(names)s.") % {"names": get_text_list(done, _("and"))}
            self.message_user(request, text, messages.SUCCESS)

    def _refused(self, request: Any, name: str, reason: str) -> None:
        text = _("%(name)s: %(reason)s") % {"name": name, "reason": reason}
        self.message_user(request, text, messages.ERROR)
