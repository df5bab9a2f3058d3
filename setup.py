import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent


def requirements(name: str) -> list:
    lines = (HERE / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


class BuildWithConfigs(build_py):
    """Takes along what the names of models and configs stand for; in an editable install it lies beside mmfer."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            ignored = shutil.ignore_patterns('__pycache__')
            shutil.copytree(HERE / 'configs', Path(self.build_lib, 'mmfer/configs'), ignore=ignored, dirs_exist_ok=True)
            shutil.copy(HERE / 'model-index.yml', Path(self.build_lib, 'mmfer'))


version = {}
exec((HERE / 'mmfer' / 'version.py').read_text(), version)

setup(
    name='mmfer',
    version=version['__version__'],
    description='Facial expression recognition with uncertainty, in the style of MMEngine',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    cmdclass=dict(build_py=BuildWithConfigs),
    python_requires='>=3.9',
    packages=find_packages(include=['mmfer', 'mmfer.*']),
    package_data={
        'mmfer': ['py.typed'],
        'mmfer.web': ['static/*'],
        'mmfer.datasets': ['*.txt'],
        'mmfer.weights': ['*'],
    },
    entry_points=dict(console_scripts=['mmfer = mmfer.cli:main']),
    install_requires=requirements('runtime'),
    extras_require={
        name: requirements(name) for name in ('demo', 'deploy', 'docs', 'optional', 'tables', 'tests', 'train')
    },
    classifiers=[
        'Intended Audience :: Science/Research',
        'License :: OSI Approved :: Apache Software License',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
)
