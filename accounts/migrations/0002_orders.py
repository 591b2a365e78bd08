from django.db import migrations, models

from repositories.online import AddIndexOnline


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('accounts', '0001_initial'),
    ]

    operations = [
        AddIndexOnline(
            model_name='accesstoken',
            index=models.Index(fields=['hint'], name='access_token_hint'),
        ),
        AddIndexOnline(
            model_name='auditevent',
            index=models.Index(fields=['target', '-id'], name='audit_event_target_start', opclasses=['varchar_pattern_ops', 'int8_ops']),
        ),
        AddIndexOnline(
            model_name='auditevent',
            index=models.Index(condition=models.Q(('outcome', 'denied')), fields=['-id'], name='audit_event_denied'),
        ),
    ]
