import django.db.models.deletion
from django.db import migrations, models


def _without_index(model_name: str, index: str) -> migrations.SeparateDatabaseAndState:
    """The index alone, which others begin with as well: SQLite would write the whole table anew.

    PostgreSQL takes it, as the smallest, for a row of a repository that it thinks to be like the
    others, and goes through all rows of one that has very many.
    """
    table = f"repositories_{model_name}"
    return migrations.SeparateDatabaseAndState(
        database_operations=[
            migrations.RunSQL(
                f'DROP INDEX IF EXISTS "{index}"',
                f'CREATE INDEX "{index}" ON "{table}" ("repository_id")',
            ),
        ],
        state_operations=[
            migrations.AlterField(
                model_name=model_name,
                name='repository',
                field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name=f'{model_name}s', to='repositories.repository'),
            ),
        ],
    )


class Migration(migrations.Migration):

    dependencies = [
        ('repositories', '0015_referrers_of_type'),
    ]

    operations = [
        _without_index('manifest', 'repositories_manifest_repository_id_69ccdb33'),
        _without_index('tag', 'repositories_tag_repository_id_558dc844'),
    ]
