from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_orders'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='auditevent',
            name='audit_event_target',
        ),
    ]
