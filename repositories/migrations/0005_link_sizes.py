import django.db.models.deletion
from django.db import migrations, models

import repositories.models.fields

_FILL = """
UPDATE repositories_bloblink
SET size = (SELECT blob.size FROM repositories_blob AS blob WHERE blob.id = blob_id)
"""


class Migration(migrations.Migration):

    dependencies = [
        ('repositories', '0004_host'),
    ]

    operations = [
        migrations.AddField(
            model_name='bloblink',
            name='size',
            field=repositories.models.fields.SizeOfBlob(editable=False, null=True),
        ),
        migrations.RunSQL(_FILL, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='bloblink',
            name='size',
            field=repositories.models.fields.SizeOfBlob(editable=False),
        ),
        migrations.AlterField(
            model_name='bloblink',
            name='repository',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='blob_links', to='repositories.repository'),
        ),
        migrations.AddIndex(
            model_name='bloblink',
            index=models.Index(fields=['repository', '-size', 'id'], name='blob_link_size'),
        ),
    ]
