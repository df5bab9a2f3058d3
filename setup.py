import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
# PLACEHOLDER: example.org is reserved for examples. Set the address of the repository before the first upload.
HOME = 'https://example.org/mmfer'


def requirements(name: str) -> list:
    lines = (HERE / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


class BuildWithConfigs(build_py):
    """Takes along the configs, the index of models and the page of errors; an editable install reads the checkout."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            ignored = shutil.ignore_patterns('__pycache__')
            shutil.copytree(HERE / 'configs', Path(self.build_lib, 'mmfer/configs'), ignore=ignored, dirs_exist_ok=True)
            for name in ('model-index.yml', 'docs/errors.md'):
                shutil.copy(HERE / name, Path(self.build_lib, 'mmfer'))


version = {}
exec((HERE / 'mmfer' / 'version.py').read_text(), version)

setup(
    name='mmfer',
    version=version['__version__'],
    description='Facial expression recognition with uncertainty, in the style of MMEngine',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license_expression='Apache-2.0',
    license_files=['LICENSE'],
    author='mmfer contributors',
    url=HOME,
    project_urls={
        'Documentation': f'{HOME}/docs',
        'Changelog': f'{HOME}/blob/main/CHANGELOG.md',
        'Issues': f'{HOME}/issues',
    },
    keywords=[
        'affective computing',
        'calibration',
        'computer vision',
        'deep learning',
        'emotion recognition',
        'face',
        'facial expression recognition',
        'mmengine',
        'pytorch',
        'uncertainty',
    ],
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
        'Development Status :: 4 - Beta',
        'Intended Audience :: Developers',
        'Intended Audience :: Science/Research',
        'Operating System :: MacOS',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        *(f'Programming Language :: Python :: 3.{minor}' for minor in range(9, 14)),
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
        'Typing :: Typed',
    ],
)
