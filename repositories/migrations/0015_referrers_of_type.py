from django.db import migrations, models

from repositories.online import AddIndexOnline


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('repositories', '0014_measured_repositories'),
    ]

    operations = [
        AddIndexOnline(
            model_name='manifest',
            index=models.Index(condition=models.Q(('subject', ''), _negated=True), fields=['repository', 'subject', 'artifact_type', 'digest'], name='manifest_referrers_of_type'),
        ),
    ]
