"""Fields of our own."""

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
    _BigIntegerField = models.BigIntegerField[int, int]
else:
    _CharField = models.CharField
    _BigIntegerField = models.BigIntegerField


class ByteOrderedCharField(_CharField):
    """Text that sorts by bytes, as the distribution-spec lists names and tags, in every database.

    SQLite does so by itself; PostgreSQL sorts by the language of the database unless told.
    """

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        parameters = super().db_parameters(connection)
        if connection.vendor == "postgresql":
            parameters["collation"] = "C"
        return parameters


class SizeOfBlob(_BigIntegerField):
    """The size of the row's `blob` once more, filled in whenever the row is saved."""

    def pre_save(self, model_instance: Any, add: bool) -> int:
        size: int = model_instance.blob.size
        setattr(model_instance, self.attname, size)
        return size
