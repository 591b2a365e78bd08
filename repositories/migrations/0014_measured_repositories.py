from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('repositories', '0013_adoption'),
    ]

    operations = [
        migrations.AddField(
            model_name='storagesample',
            name='repositories',
            field=models.BigIntegerField(db_default=0, default=0),
        ),
    ]
